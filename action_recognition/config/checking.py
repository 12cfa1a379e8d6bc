"""Checks configuration values against the types and rules that the schema's fields declare."""

import math
from dataclasses import MISSING, dataclass, fields
from enum import Enum
from functools import cache
from types import NoneType, UnionType
from typing import Any, ClassVar, TypeVar, Union, get_args, get_origin, get_type_hints

from action_recognition.errors import ConfigError, did_you_mean
from action_recognition.utils import stored_values
from action_recognition.utils.rules import Choice, Text, describe, split_rules
from action_recognition.utils.text import printable

S = TypeVar("S", bound="Section")

TRUTHS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
MAX_SHOWN = 100  # characters of a value that a line repeats
MAX_WHOLE_FLOAT = 2.0**53  # floats represent every whole number up to here
NOT_A_KEY = {"is_key": False}  # `metadata` of a field that the program sets
_REFUSED = object()


@dataclass(kw_only=True)
class Section:
    """A part of the configuration. Creating one checks its fields.

    Args:
        key: where the section is in the configuration, as in `key.field=value`; "" for the whole.
        marks: the `Lifetime` and the `Effect` that all of its fields have.
    """

    KEY: ClassVar[str]
    MARKS: ClassVar[tuple[Enum, ...]]

    def __init_subclass__(cls, *, key: str = "", marks: tuple[Enum, ...] = ()) -> None:
        cls.KEY, cls.MARKS = key, marks

    def __post_init__(self) -> None:
        for name, hint in self.hints().items():
            setattr(self, name, checked(hint, getattr(self, name), f"{self.KEY}.{name}".lstrip(".")))
        self.check_together()

    @classmethod
    @cache
    def hints(cls) -> dict[str, Any]:
        """The declared type of each field that is a key, with its rules."""
        hints = get_type_hints(cls, include_extras=True)
        return {field.name: hints[field.name] for field in fields(cls) if field.metadata != NOT_A_KEY}

    def check_together(self) -> None:
        """Raise `ConfigError` where fields that are right by themselves contradict each other."""


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
        hint_of_word = did_you_mean(shown(value), _options(hint))
        raise ConfigError(f"{key}={shown(value)}: expected {describe(hint)}{hint_of_word}")
    return found


def _options(hint: Any) -> list[str]:
    """The words that `hint`, or a member of the union that it is, offers to choose from."""
    members = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    choices = [rule for member in members for rule in split_rules(member)[1] if isinstance(rule, Choice)]
    return [str(option) for choice in choices for option in choice.options]


def _converted(hint: Any, value: Any, key: str) -> Any:
    """The value as `hint` declares it, or `_REFUSED`."""
    plain, rules = split_rules(hint)
    origin = get_origin(plain)
    if origin in (Union, UnionType):
        return _as_member(get_args(plain), value, key)
    if isinstance(plain, type) and issubclass(plain, Section):
        return value if isinstance(value, plain) else _section(plain, value, key)
    if origin is list:
        if not isinstance(value, list | tuple):
            return _REFUSED
        value = [checked(get_args(plain)[0], inner, f"{key}[{number}]") for number, inner in enumerate(value)]
    elif origin is dict:
        is_mapping = isinstance(value, dict) and all(isinstance(name, str) for name in value)
        value = _finite(value, key) if is_mapping else _REFUSED
    elif plain is Any:
        value = _finite(value, key)
    else:
        value = _scalar(plain, value)
        rules = (Text(), *rules) if plain is str else rules
    if value is _REFUSED or not all(rule.allows(value) for rule in rules):
        return _REFUSED
    return value


def _as_member(members: tuple[Any, ...], value: Any, key: str) -> Any:
    """The value as the member of a union whose type it already has, else as the first that it converts to."""
    if value is None:
        return None if NoneType in members else _REFUSED
    others = [member for member in members if member is not NoneType]
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
    if kind is int and isinstance(value, int):
        return value
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return _REFUSED
    if kind is float:
        return number
    return int(number) if number.is_integer() and abs(number) <= MAX_WHOLE_FLOAT else _REFUSED


def _finite(value: Any, key: str) -> Any:
    """A value without a declared type, in which no number is NaN or infinite and each text is on one line."""
    if isinstance(value, dict):
        return {name: checked(Any, inner, f"{key}.{name}") for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [checked(Any, inner, f"{key}[{number}]") for number, inner in enumerate(value)]
    is_fine = math.isfinite(value) if isinstance(value, float) else not isinstance(value, str) or Text().allows(value)
    return value if is_fine else _REFUSED


def _section(section: type[S], given: Any, key: str) -> S:
    """Make a section from a mapping, whose keys must be its fields."""
    if not isinstance(given, dict):
        raise ConfigError(f"{key}={shown(given)}: expected {describe(section)}")
    prefix, hints = f"{key}." if key else "", section.hints()
    for name in given:
        if name not in hints:
            raise ConfigError(f"{prefix}{name}: no such key{did_you_mean(str(name), hints)}; see conf/")
    for field in fields(section):
        if field.name not in given and field.default is MISSING and field.default_factory is MISSING:
            raise ConfigError(f"{prefix}{field.name}: must be given; expected {describe(hints[field.name])}")
    return section(**given)


def shown(value: Any) -> str:
    """A value as an override would give it, on one line and not too long."""
    if isinstance(value, dict):
        text = "{" + ",".join(f"{name}:{shown(inner)}" for name, inner in value.items()) + "}"
    elif isinstance(value, list | tuple):
        text = "[" + ",".join(map(shown, value)) + "]"
    elif value is None or isinstance(value, bool):
        text = "null" if value is None else str(value).lower()
    else:
        text = value if isinstance(value, str) else stored_values.shown(value)
    text = printable(text)
    return text if len(text) <= MAX_SHOWN else f"{text[: MAX_SHOWN - 3]}..."
