"""The errors a user can cause. Each is one line: the thing, its value, what was allowed, and what to run next."""

from collections.abc import Iterable
from difflib import get_close_matches

from action_recognition.utils.program import as_called
from action_recognition.utils.text import printable


class UserError(Exception):
    """Something the user can put right. The command line prints it without a traceback and exits with 1.

    The text is one printable line, whatever names are in it: see `text.printable`.
    """

    def __init__(self, line: object = "") -> None:
        text = str(line)
        if text.startswith(f"Caught {type(self).__name__} "):
            # PyTorch raises an error of a loader's worker again with the worker's traceback as its text: its last line.
            last = (text.strip().splitlines() or [""])[-1]
            text = last.removeprefix(f"{type(self).__module__}.{type(self).__qualname__}: ")
        super().__init__(printable(as_called(text)))


class ConfigError(UserError):
    """A configuration key or value that cannot be used."""


class DataError(UserError):
    """A data set that is missing, inconsistent or would make training wrong."""


class VideoError(UserError):
    """A video that cannot be decoded, or not enough of it."""


class ContractError(UserError):
    """A model file without a clip contract, or one this version cannot honour."""


class NumericsError(UserError):
    """A computation that gave infinity or NaN where a number was needed."""


class ReportedError(UserError):
    """Work that failed and has said why already; the command line only exits with 1."""


class MissingLibraryError(UserError):
    """An optional library that the command needs and that is not installed."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`" (did you mean 'x'?)"` for the closest of `known`, or an empty string."""
    close = get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f" (did you mean {close[0]!r}?)" if close else ""


def check_choice(name: str, value: object, allowed: Iterable[object]) -> None:
    """Raise `ConfigError` unless `value` is one of `allowed`."""
    allowed = list(allowed)
    if value not in allowed:
        hint = did_you_mean(str(value), map(str, allowed))
        raise ConfigError(f"{name}={value}: expected one of {', '.join(map(str, allowed))}{hint}")


def check_at_least(name: str, value: float, minimum: float) -> None:
    """Raise `ConfigError` unless `value >= minimum`."""
    if value < minimum:
        raise ConfigError(f"{name}={value}: expected at least {minimum}")


def first_line(error: BaseException) -> str:
    """What a library's error says, cut to one line; its type where it says nothing."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
