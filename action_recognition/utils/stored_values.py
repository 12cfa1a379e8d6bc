"""Values that come back from a file, held to the types and rules that are declared beside their fields.

    stride: Annotated[int, Range(1, 1000)]

Files are written by programs, but also by hand, by other versions and by broken disks. Unlike in a configuration, a
value must have its type already. Needs no other package, because an exported model runs without those of the
configuration.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from action_recognition.errors import ContractError, UserError
from action_recognition.utils.rules import TYPE_NAMES, Choice, split_rules

MAX_SHOWN = 60  # characters of a value that a line repeats


def check_values(
    declared: type, values: Mapping[str, Any], *, origin: str, error: type[UserError] = ContractError
) -> None:
    """Hold values to the annotated types of a class's fields; fields without rules, and other names, are not checked.

    Args:
        origin: the file that they came from, and what they are of, for the error message.

    Raises:
        ContractError: or `error`, with one line that names the first value that is not allowed.
    """
    for name, (hint, fits) in _checkers(declared).items():
        if name in values and not fits(values[name]):
            raise error(f"{origin}: {name}={_offender(hint, values[name])}: expected {expected(hint)}")


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


Checker = Callable[[object], bool]


@cache
def _checkers(declared: type) -> Mapping[str, tuple[Any, Checker]]:
    hints = get_type_hints(declared, include_extras=True)
    return {name: (hint, checker(hint)) for name, hint in hints.items() if get_origin(hint) is Annotated}


def checker(hint: Any) -> Checker:
    """Says of a value whether it has the declared type, and its rules allow it; truth values are no numbers."""
    plain, rules = split_rules(hint)
    allowed = [rule.allows for rule in rules]
    if get_origin(plain) in (list, tuple):
        inner = checker(get_args(plain)[0])
        return lambda value: (
            isinstance(value, list | tuple) and all(map(inner, value)) and all(allows(value) for allows in allowed)
        )
    kinds = (int, float) if plain is float else plain
    return lambda value: (
        isinstance(value, kinds) and not isinstance(value, bool) and all(allows(value) for allows in allowed)
    )


def expected(hint: Any) -> str:
    """In words, what a declared type and its rules allow."""
    plain, rules = split_rules(hint)
    words = [rule.expected for rule in rules]
    if get_origin(plain) in (list, tuple):
        return f"a list {', '.join(words)}, each {expected(get_args(plain)[0])}"
    named = plain is str or any(isinstance(rule, Choice) for rule in rules)
    return ", ".join(words if named else [TYPE_NAMES[plain], *words])


def shown(value: object) -> str:
    """A value on one line, and not too long."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # more digits than Python prints; lists within lists
        text = f"a very long {type(value).__name__}"
    return text if len(text) <= MAX_SHOWN else f"{text[: MAX_SHOWN - 3]}..."


def _offender(hint: Any, value: object) -> str:
    """The value, or the element of it that is not allowed."""
    plain, _ = split_rules(hint)
    if get_origin(plain) in (list, tuple) and isinstance(value, list | tuple):
        fits = checker(get_args(plain)[0])
        wrong = (f"[{place}]: {shown(inner)}" for place, inner in enumerate(value) if not fits(inner))
        return next(wrong, shown(value))
    return shown(value)
