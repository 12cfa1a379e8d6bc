"""Rules for values, declared beside their type: `lr: Annotated[float, Range(above=0, most=100)]`.

`config.checking` applies them to a configuration, where text becomes numbers; `utils.stored_values` to values from
files, which must have their types already.
"""

import math
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, is_dataclass
from types import UnionType
from typing import Annotated, Any, Protocol, Union, get_args, get_origin, runtime_checkable

from action_recognition.utils.text import UNPRINTABLE

MAX_TEXT = 4096  # characters; also the longest path on Linux, in bytes
TYPE_NAMES = {int: "a whole number", float: "a number", bool: "true or false", str: "text", type(None): "null"}


@runtime_checkable
class Rule(Protocol):
    """Stands beside a type in `Annotated`; `expected` ends the message that refuses a value."""

    @property
    def expected(self) -> str: ...

    def allows(self, value: Any) -> bool: ...


@dataclass(frozen=True)
class Check:
    """A rule without parameters of its own."""

    expected: str
    allows: Callable[[Any], bool]


@dataclass(frozen=True)
class Range:
    """Finite numbers from `least` to `most`, inclusive; `above` and `below` are exclusive.

    Upper ends are not recommendations. They only catch typing errors.
    """

    least: float | None = None
    most: float | None = None
    above: float | None = None
    below: float | None = None

    def allows(self, value: float) -> bool:
        return (
            (not isinstance(value, float) or math.isfinite(value))
            and (self.least is None or value >= self.least)
            and (self.most is None or value <= self.most)
            and (self.above is None or value > self.above)
            and (self.below is None or value < self.below)
        )

    @property
    def expected(self) -> str:
        if self.least is not None and self.most is not None:
            return f"{self.least} to {self.most}"
        bounds = {"at least": self.least, "more than": self.above, "at most": self.most, "below": self.below}
        return ", ".join(f"{words} {bound}" for words, bound in bounds.items() if bound is not None)


class Choice:
    """One of a few values."""

    def __init__(self, *options: Any) -> None:
        self.options = options

    def allows(self, value: Any) -> bool:
        return value in self.options

    @property
    def expected(self) -> str:
        return ("one of " if len(self.options) > 1 else "") + ", ".join(map(str, self.options))


@dataclass(frozen=True)
class Length:
    """Lists of `least` to `most` elements."""

    least: int
    most: int

    def allows(self, value: Sequence[Any]) -> bool:
        return self.least <= len(value) <= self.most

    @property
    def expected(self) -> str:
        return f"of {self.least} to {self.most}" if self.least < self.most else f"of {self.least}"


DISTINCT = Check("distinct", lambda value: len(set(value)) == len(value))


@dataclass(frozen=True)
class Text:
    """One line of text, of at most `most` characters."""

    most: int = MAX_TEXT
    may_be_empty: bool = False

    def allows(self, value: Any) -> bool:
        if not isinstance(value, str) or len(value) > self.most:
            return False
        printable = UNPRINTABLE.isdisjoint(map(unicodedata.category, value))
        return printable and bool(value.strip() or self.may_be_empty)

    @property
    def expected(self) -> str:
        return f"text on one line, {'' if self.may_be_empty else 'not empty, '}at most {self.most} characters"


def split_rules(hint: Any) -> tuple[Any, tuple[Rule, ...]]:
    """The type of a type hint, and its rules."""
    if get_origin(hint) is not Annotated:
        return hint, ()
    plain, *rules = get_args(hint)
    return plain, tuple(rule for rule in rules if isinstance(rule, Rule))


def describe(hint: Any) -> str:
    """What a declared type and its rules allow, in words."""
    plain, rules = split_rules(hint)
    words = [rule.expected for rule in rules]
    if get_origin(plain) in (Union, UnionType):
        return ", or ".join(map(describe, get_args(plain)))
    if get_origin(plain) in (list, tuple):
        return f"a list {', '.join(words)}".rstrip() + f", each {describe(get_args(plain)[0])}"
    if get_origin(plain) is dict:
        return "a mapping, {key: value}"
    if is_dataclass(plain):
        return f"a mapping with the keys {', '.join(field.name for field in fields(plain))}"
    if plain is str or plain is Any or any(isinstance(rule, Choice) for rule in rules):
        return ", ".join(words) or (Text().expected if plain is str else "a value on one line, without NaN")
    return ", ".join([TYPE_NAMES[plain], *words])
