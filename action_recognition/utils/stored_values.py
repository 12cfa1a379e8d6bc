"""Types and ranges of values that come back from a file, declared beside the field.

    stride: Annotated[int, Whole(1, 1000)]

Files are written by programs, but also by hand, by other versions and by broken disks. The configuration has rules of
its own (`config.rules`) that turn text into numbers; here a value has to have its type already. Needs no other package,
because an exported model runs without those of the configuration.
"""

import math
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Protocol, get_args, get_origin, get_type_hints, runtime_checkable

from action_recognition.errors import ContractError, UserError
from action_recognition.utils.text import UNPRINTABLE

MAX_SHOWN = 60  # characters of a value that a line repeats


@runtime_checkable
class Rule(Protocol):
    """What a value may be; `expected` says it in words."""

    @property
    def expected(self) -> str: ...

    def allows(self, value: object) -> bool: ...


@dataclass(frozen=True)
class Whole:
    """Whole numbers from `least` to `most`; true and false are none."""

    least: int
    most: int

    def allows(self, value: object) -> bool:
        return isinstance(value, int) and not isinstance(value, bool) and self.least <= value <= self.most

    @property
    def expected(self) -> str:
        return f"a whole number, {self.least} to {self.most}"


@dataclass(frozen=True)
class Number:
    """Numbers from `least` to `most`, never NaN."""

    least: float
    most: float

    def allows(self, value: object) -> bool:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return is_number and math.isfinite(_as_float(value)) and self.least <= value <= self.most  # type: ignore[operator]

    @property
    def expected(self) -> str:
        return f"a number, {self.least:g} to {self.most:g}"


@dataclass(frozen=True)
class Text:
    """Text on one line, of at most `most` characters."""

    most: int = 4096
    may_be_empty: bool = False

    def allows(self, value: object) -> bool:
        if not isinstance(value, str) or len(value) > self.most:
            return False
        printable = UNPRINTABLE.isdisjoint(map(unicodedata.category, value))
        return printable and bool(value.strip() or self.may_be_empty)

    @property
    def expected(self) -> str:
        return f"text on one line, {'' if self.may_be_empty else 'not empty, '}at most {self.most} characters"


@dataclass(frozen=True)
class OneOf:
    """One of a few values, of the same type."""

    options: tuple[object, ...]

    def allows(self, value: object) -> bool:
        return any(type(value) is type(option) and value == option for option in self.options)

    @property
    def expected(self) -> str:
        return f"one of {', '.join(map(str, self.options))}"


@dataclass(frozen=True)
class Several:
    """`least` to `most` values of one rule, as a list or tuple, `distinct` or not."""

    rule: Rule
    least: int
    most: int
    distinct: bool = False

    def allows(self, value: object) -> bool:
        if not isinstance(value, list | tuple) or not self.least <= len(value) <= self.most:
            return False
        # Hashed only once all are of the declared type.
        return all(map(self.rule.allows, value)) and (not self.distinct or len(set(value)) == len(value))

    @property
    def expected(self) -> str:
        distinct = "distinct, " if self.distinct else ""
        return f"a list of {self.least} to {self.most}, {distinct}each {self.rule.expected}"


def check_values(
    rules: Mapping[str, Rule], values: Mapping[str, Any], *, origin: str, error: type[UserError] = ContractError
) -> None:
    """Hold values to the rules of their names; names without a rule are not looked at.

    Args:
        origin: the file that they came from, and what they are of, for the error message.

    Raises:
        ContractError: or `error`, with one line that names the first value that is not allowed.
    """
    for name, rule in rules.items():
        if name in values and not rule.allows(values[name]):
            raise error(f"{origin}: {name}={_offender(rule, values[name])}: expected {rule.expected}")


def check_keys(
    names: Sequence[str], values: object, *, origin: str, error: type[UserError] = ContractError
) -> dict[str, Any]:
    """`values` as a dict that has these keys and no other.

    Raises:
        ContractError: or `error`.
    """
    if not isinstance(values, dict):
        raise error(f"{origin}: expected keys and values, found {type(values).__name__}")
    if different := sorted(map(shown, set(values) ^ set(names))):
        raise error(f"{origin}: keys differ: [{', '.join(different[:5])}]")
    return values


def rules_of(declared: Any) -> Mapping[str, Rule]:
    """The rules in the annotations of a class."""
    return _rules_of(declared)


@cache
def _rules_of(declared: Any) -> Mapping[str, Rule]:
    hints = get_type_hints(declared, include_extras=True)
    annotated = {name: get_args(hint) for name, hint in hints.items() if get_origin(hint) is Annotated}
    return {name: rule for name, parts in annotated.items() for rule in parts[1:] if isinstance(rule, Rule)}


def shown(value: object) -> str:
    """A value on one line, and not too long."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # more digits than Python prints; lists within lists
        text = f"a very long {type(value).__name__}"
    return text if len(text) <= MAX_SHOWN else f"{text[: MAX_SHOWN - 3]}..."


def _offender(rule: Rule, value: object) -> str:
    """The value, or the element of it that is not allowed."""
    if isinstance(rule, Several) and isinstance(value, list | tuple):
        wrong = [f"[{place}]: {shown(inner)}" for place, inner in enumerate(value) if not rule.rule.allows(inner)]
        if wrong:
            return wrong[0]
    return shown(value)


def _as_float(value: Any) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf
