"""The one checker of the schema: it reads the types and rules that the fields declare, and refuses in one line."""

import math
import types
from dataclasses import MISSING, Field, dataclass, fields
from enum import Enum
from functools import cache
from typing import Any, ClassVar, TypeVar, Union, get_args, get_origin, get_type_hints

from action_recognition.config.rules import Internal
from action_recognition.errors import ConfigError, did_you_mean
from action_recognition.utils.rules import TYPE_NAMES, Choice, Text, split_rules
from action_recognition.utils.text import printable

S = TypeVar("S", bound="Section")

TRUTHS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
MAX_SHOWN = 100  # characters of a value that a line repeats
MAX_WHOLE_FLOAT = 2.0**53  # up to here a float names every whole number


@dataclass(kw_only=True)
class Section:
    """A part of the configuration whose fields are checked whenever one is made."""

    KEY: ClassVar[str] = ""  # of the section, as in `KEY.field=value`
    MARKS: ClassVar[tuple[Enum, ...]] = ()  # of all of its fields: `Lifetime` and `Effect`

    def __post_init__(self) -> None:
        for name, hint in field_hints(type(self)).items():
            setattr(self, name, checked(hint, getattr(self, name), self._key(name)))
        self.check_together()

    def check_together(self) -> None:
        """Raise `ConfigError` where fields that are right by themselves contradict each other."""

    def _key(self, name: str) -> str:
        return f"{self.KEY}.{name}" if self.KEY else name


def field_hints(section: Any) -> dict[str, Any]:
    """The declared type of each field of a section, with its rules."""
    return _field_hints(section)


@cache
def _field_hints(section: Any) -> dict[str, Any]:
    hints = get_type_hints(section, include_extras=True)
    return {field.name: hints[field.name] for field in fields(section)}


def checked(hint: Any, value: Any, key: str) -> Any:
    """`value` as the declared type `hint`, if its rules allow it.

    Numbers as text (from the environment) become numbers, and whole numbers become text where text is declared.

    Raises:
        ConfigError: one line with the key, the value and what is allowed.
    """
    if value == "???":
        raise ConfigError(f"{key}: must be given; expected {describe(hint)}")
    found = _converted(hint, value, key)
    if found is _REFUSED:
        raise ConfigError(f"{key}={shown(value)}: expected {describe(hint)}{_closest_choice(hint, value)}")
    return found


_REFUSED = object()


def _converted(hint: Any, value: Any, key: str) -> Any:
    """The value as `hint` wants it, or `_REFUSED`."""
    plain, rules = split_rules(hint)
    origin = get_origin(plain)
    if origin in (Union, types.UnionType):
        return _as_member(get_args(plain), value, key)
    if isinstance(plain, type) and issubclass(plain, Section):
        return value if isinstance(value, plain) else _section(plain, value, key)
    if origin is list:
        if not isinstance(value, list | tuple):
            return _REFUSED
        (element,) = get_args(plain)
        value = [checked(element, inner, f"{key}[{number}]") for number, inner in enumerate(value)]
    elif origin is dict:
        if not isinstance(value, dict) or not all(isinstance(name, str) for name in value):
            return _REFUSED
        value = {name: checked(Any, inner, f"{key}.{name}") for name, inner in value.items()}
    elif plain is Any:
        value = _finite(value, key)
    else:
        value = _scalar(plain, value)
        rules = (Text(), *rules) if plain is str else rules
    if value is _REFUSED or not all(rule.allows(value) for rule in rules):
        return _REFUSED
    return value


def _as_member(members: tuple[Any, ...], value: Any, key: str) -> Any:
    """Of a union the member whose type the value has already; then those that it can be turned into."""
    if value is None:
        return None if type(None) in members else _REFUSED
    others = [member for member in members if member is not type(None)]
    exact = [member for member in others if split_rules(member)[0] is type(value)]
    for member in exact or others:
        if (found := _converted(member, value, key)) is not _REFUSED:
            return found
    return _REFUSED


def _scalar(kind: Any, value: Any) -> Any:
    if kind is bool:
        return value if isinstance(value, bool) else TRUTHS.get(str(value).lower(), _REFUSED)
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return _REFUSED
    if kind is str:
        return _REFUSED if isinstance(value, float) else str(value)
    try:
        number = float(value)
        if kind is float:
            return number
        if isinstance(value, int):
            return value
        whole = number.is_integer() and abs(number) <= MAX_WHOLE_FLOAT
        return int(number) if whole else _REFUSED
    except (ValueError, OverflowError):
        return _REFUSED


def _finite(value: Any, key: str) -> Any:
    """What has no declared type: no NaN or infinite number in it, and each text on one line."""
    if isinstance(value, dict):
        for name, inner in value.items():
            checked(Any, inner, f"{key}.{name}")
    elif isinstance(value, list | tuple):
        for number, inner in enumerate(value):
            checked(Any, inner, f"{key}[{number}]")
    elif (isinstance(value, float) and not math.isfinite(value)) or (
        isinstance(value, str) and not Text().allows(value)
    ):
        return _REFUSED
    return value


def _section(section: type[S], given: Any, key: str) -> S:
    """Make a section of a mapping, whose keys have to be its fields."""
    if not isinstance(given, dict):
        raise ConfigError(f"{key}={shown(given)}: expected {describe(section)}")
    known = {name: hint for name, hint in field_hints(section).items() if not _is_internal(hint)}
    prefix = f"{key}." if key else ""
    for name in given:
        if name not in known:
            raise ConfigError(f"{prefix}{name}: no such key{did_you_mean(str(name), known)}; see conf/")
    for field in fields(section):
        if field.name in known and field.name not in given and _is_required(field):
            raise ConfigError(f"{prefix}{field.name}: must be given; expected {describe(known[field.name])}")
    return section(**given)


def _is_required(field: "Field[Any]") -> bool:
    return field.default is MISSING and field.default_factory is MISSING


def _is_internal(hint: Any) -> bool:
    return any(isinstance(rule, Internal) for rule in split_rules(hint)[1])


def describe(hint: Any) -> str:
    """In words, what a declared type and its rules allow."""
    plain, rules = split_rules(hint)
    origin = get_origin(plain)
    if origin in (Union, types.UnionType):
        return ", or ".join(describe(member) for member in get_args(plain))
    words = [rule.expected for rule in rules]
    if any(isinstance(rule, Choice) for rule in rules) or plain is Any:
        return ", ".join(words) or "a value on one line, without NaN"
    if plain is str:
        return ", ".join(words) or Text().expected
    if isinstance(plain, type) and issubclass(plain, Section):
        return f"the keys {', '.join(field_hints(plain))}"
    if origin is list:
        (element,) = get_args(plain)
        return f"a list {' '.join([*words, 'with'])} {describe(element)} in each place"
    if origin is dict:
        return "a mapping, {key: value}"
    return ", ".join([TYPE_NAMES[plain], *words])


def _closest_choice(hint: Any, value: Any) -> str:
    options = [str(option) for rule in split_rules(hint)[1] if isinstance(rule, Choice) for option in rule.options]
    return did_you_mean(str(value), options)


def shown(value: Any) -> str:
    """A value as it would be written in an override, on one line and not too long."""
    if isinstance(value, dict):
        text = "{" + ",".join(f"{name}:{shown(inner)}" for name, inner in value.items()) + "}"
    elif isinstance(value, list | tuple):
        text = "[" + ",".join(map(shown, value)) + "]"
    elif value is None or isinstance(value, bool):
        text = "null" if value is None else str(value).lower()
    else:
        text = _digits(value)
    text = printable(text)
    return text if len(text) <= MAX_SHOWN else f"{text[: MAX_SHOWN - 3]}..."


def _digits(value: Any) -> str:
    try:
        return str(value)
    except ValueError:  # Python refuses to print whole numbers of more than 4300 digits
        return "a number of thousands of digits"
