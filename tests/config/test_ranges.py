"""Every field that the schema declares, with values inside its range, just outside, and of other types."""

import math
import types
from typing import Any, Union, get_args, get_origin

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from action_recognition.config import each_key_once, flatten, load_config
from action_recognition.config.checking import Section, checked
from action_recognition.config.keys import check_given_once, declared_keys, section_of
from action_recognition.config.network_arguments import NETWORK_ARGUMENTS
from action_recognition.config.rules import INTERVAL, TEXT_BY_PART, TRUTH_OR_WORDS, WORDS
from action_recognition.errors import ConfigError
from action_recognition.utils.rules import DISTINCT, Choice, Length, Range, split_rules

NEVER = ["nan", "inf", "-inf", "???"]


FIELDS = {key: hint for key, hint in declared_keys().items() if not section_of(hint)}
FIELDS |= {f"model.args.{name}": hint for name, hint in NETWORK_ARGUMENTS.items()}


def members(hint: Any) -> list[Any]:
    plain, _ = split_rules(hint)
    return list(get_args(plain)) if get_origin(plain) in (Union, types.UnionType) else [hint]


def ranges(hint: Any) -> list[tuple[Any, Range]]:
    """The ranges of numbers in a declared type, each with the type of its number, lists included."""
    found = []
    for member in members(hint):
        plain, rules = split_rules(member)
        if get_origin(plain) is list:
            found += ranges(get_args(plain)[0])
        found += [(plain, rule) for rule in rules if isinstance(rule, Range)]
    return found


def inside(hint: Any) -> st.SearchStrategy[Any]:
    """Values that the declared type allows."""
    return st.one_of([_inside(member) for member in members(hint)])


def _inside(hint: Any) -> st.SearchStrategy[Any]:
    plain, rules = split_rules(hint)
    rule = {type(rule): rule for rule in rules}
    if Choice in rule:
        return st.sampled_from(rule[Choice].options)
    if plain is int:
        return st.integers(rule[Range].least, rule[Range].most)
    if plain is float:
        bounds = rule[Range]
        low, high = (one if one is not None else other for one, other in bounds_of(bounds))
        return st.floats(
            low, high, exclude_min=bounds.above is not None, exclude_max=bounds.below is not None, allow_subnormal=False
        )
    if plain is str or {TEXT_BY_PART, TRUTH_OR_WORDS, WORDS} & set(rules):
        texts = [r"(?P<subject>.)(?P<label>.)(?P<frame>.)", "a", "ünï", "2024", "a b", "x/y", "-1"]
        return st.sampled_from([text for text in texts if all(rule.allows(text) for rule in rules)])
    if get_origin(plain) is list:
        element = get_args(plain)[0]
        if isinstance(element, type) and issubclass(element, Section):
            return st.just([{"url": "https://host/file.tar"}])
        least, most = (2, 2) if INTERVAL in rules else (0, 3)
        least, most = (rule[Length].least, rule[Length].most) if Length in rule else (least, most)
        lists = st.lists(inside(element), min_size=least, max_size=most, unique=DISTINCT in rules)
        return lists.map(sorted) if INTERVAL in rules else lists
    return {bool: st.booleans(), type(None): st.none()}.get(plain, st.just({}))


def bounds_of(rule: Range) -> tuple[tuple[float | None, float | None], tuple[float | None, float | None]]:
    return (rule.least, rule.above), (rule.most, rule.below)


def beyond(kind: type, rule: Range) -> list[Any]:
    """The nearest values on the other side of each bound, and those that are never a number to work with."""
    step = 1 if kind is int else None
    values: list[Any] = [math.nan, math.inf, -math.inf]
    if kind is int:
        values.append(0.5)
    for bound, direction in ((rule.least, -1), (rule.most, 1)):
        if bound is not None:
            values.append(bound + direction * step if step else math.nextafter(bound, direction * math.inf))
    return values + [bound for bound in (rule.above, rule.below) if bound is not None]


def test_every_number_has_a_lower_and_an_upper_end():
    for key, hint in FIELDS.items():
        numbers = [member for member in members(hint) if split_rules(member)[0] in (int, float)]
        assert all(any(isinstance(rule, Range | Choice) for rule in split_rules(number)[1]) for number in numbers), key
        for _, rule in ranges(hint):
            assert all(any(bound is not None for bound in pair) for pair in bounds_of(rule)), key


def test_the_shipped_values_are_in_the_schema():
    unknown = set(flatten(load_config())) - set(FIELDS) - {"data.full_set"}
    assert not {key for key in unknown if not key.startswith("tune.space.")}


@given(st.data())
@settings(max_examples=100, deadline=None)
def test_values_inside_the_range_are_taken(data):
    key = data.draw(st.sampled_from(sorted(FIELDS)), label="key")
    value = data.draw(inside(FIELDS[key]), label="value")
    taken = checked(FIELDS[key], value, key)
    if not isinstance(value, dict | list):
        assert taken == value
        assert type(taken) is type(value) or isinstance(value, int)


def refusal(key: str, value: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        checked(FIELDS[key], value, key)
    line = str(caught.value)
    assert line.startswith(key)
    assert "\n" not in line
    assert "expected" in line
    return line


@given(st.data())
@settings(max_examples=100, deadline=None)
def test_values_just_outside_are_refused_with_the_key(data):
    key = data.draw(st.sampled_from(sorted(key for key in FIELDS if ranges(FIELDS[key]))), label="key")
    kind, rule = data.draw(st.sampled_from(ranges(FIELDS[key])), label="range")
    value = data.draw(st.sampled_from(beyond(kind, rule)), label="value")
    assume(not any(_allowed_elsewhere(FIELDS[key], value, rule)))
    in_list = all(
        get_origin(split_rules(member)[0]) is list for member in members(FIELDS[key]) if member is not type(None)
    )
    refusal(key, [value] if in_list else value)


def _allowed_elsewhere(hint: Any, value: float, own: Range) -> list[bool]:
    """`trainer.limit_train_batches` is a count or a share: what is no share may still be a count."""
    whole = float(value).is_integer()
    return [rule is not own and rule.allows(value) and (kind is float or whole) for kind, rule in ranges(hint)]


@given(st.data())
@settings(max_examples=100, deadline=None)
def test_other_types_are_refused_with_the_key(data):
    key = data.draw(st.sampled_from(sorted(FIELDS)), label="key")
    plains = {split_rules(member)[0] for member in members(FIELDS[key])}
    assume(Any not in plains)
    wrong: list[Any] = ["a\nb", "a\x1bb", "\udcff", {"a": [1]} if dict not in map(get_origin, plains) else [1], "???"]
    wrong += [] if str in plains else ["word", ""]
    wrong += [] if bool in plains else [True]
    wrong += [] if type(None) in plains else [None]
    refusal(key, data.draw(st.sampled_from(wrong), label="value"))


@given(st.sampled_from(sorted(key for key in FIELDS if ranges(FIELDS[key]))), st.sampled_from(NEVER))
@settings(max_examples=10, deadline=None)
def test_no_number_is_nan_or_infinite_on_the_command_line(key, word):
    with pytest.raises(ConfigError) as caught:
        load_config([f"++{key}={word}"])
    assert "\n" not in str(caught.value)
    assert key.rpartition(".")[0] in str(caught.value)


@given(st.text(st.characters(exclude_characters="\x00"), max_size=30))
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_text_as_an_override_is_taken_or_refused_in_one_line(text):
    for override in (text, f"data.videos_dir={text}", f"trainer.max_epochs={text}"):
        try:
            config = load_config([override])
        except ConfigError as error:
            assert len(str(error).splitlines()) == 1  # noqa: PT017 - either is right
        else:
            assert config.overrides == [override]


@pytest.mark.parametrize("words", [("a.b=1", "a.b=2"), ("a.b=1", "++a.b=2")])
def test_a_key_that_is_given_twice_is_refused(words):
    with pytest.raises(ConfigError, match=r"a\.b is given twice, as 1 and 2"):
        check_given_once(words)
    check_given_once([words[0], words[0]])


def test_what_is_given_later_takes_the_place_of_what_was_given_before():
    given = each_key_once(["a.b=1", "@keys.yaml", "+c.d=1", "e=1"], ["a.b=2", "c.d=2"])
    assert given == ["@keys.yaml", "e=1", "a.b=2", "c.d=2"]
    check_given_once(given)
