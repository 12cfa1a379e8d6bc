"""Values from a file, checked against the rules of their fields, such as `stride: Annotated[int, Range(1, 1000)]`.

Unlike in a configuration, a value must have its type already. This module needs no other package, because an exported
model runs without those of the configuration.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from action_recognition.errors import ContractError, UserError
from action_recognition.utils.rules import describe, split_rules

MAX_SHOWN = 60  # characters of a value in a message


def check_values(
    declared: type, values: Mapping[str, Any], *, origin: str, error: type[UserError] = ContractError
) -> None:
    """Check values against the rules of a class's fields; fields without rules, and other names, are ignored.

    Raises:
        ContractError: or `error`, whose line begins with `origin` and names the first value that is not allowed.
    """
    for name, (hint, fits) in _checkers(declared).items():
        if name in values and not fits(values[name]):
            raise error(f"{origin}: {name}={_offender(hint, values[name])}: expected {describe(hint)}")


def check_keys(
    names: Sequence[str], values: object, *, origin: str, error: type[UserError] = ContractError
) -> dict[str, Any]:
    """`values` as a dict with exactly these keys; raises `error` otherwise."""
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
    """A function that says whether a value has the type and keeps the rules of a hint; a bool is not a number."""
    plain, rules = split_rules(hint)
    allowed = [rule.allows for rule in rules]
    if get_origin(plain) in (list, tuple):
        fits = checker(get_args(plain)[0])
        return lambda value: (
            isinstance(value, list | tuple) and all(map(fits, value)) and all(allows(value) for allows in allowed)
        )
    kinds = (int, float) if plain is float else plain
    return lambda value: (
        isinstance(value, kinds) and not isinstance(value, bool) and all(allows(value) for allows in allowed)
    )


def shown(value: object) -> str:
    """A value on one short line."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # more digits than Python prints; lists within lists
        text = f"a very long {type(value).__name__}"
    return text if len(text) <= MAX_SHOWN else f"{text[: MAX_SHOWN - 3]}..."


def _offender(hint: Any, value: object) -> str:
    """The value, or its first element that is not allowed."""
    plain, _ = split_rules(hint)
    if get_origin(plain) in (list, tuple) and isinstance(value, list | tuple):
        fits = checker(get_args(plain)[0])
        wrong = (f"[{place}]: {shown(inner)}" for place, inner in enumerate(value) if not fits(inner))
        return next(wrong, shown(value))
    return shown(value)
