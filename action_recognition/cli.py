"""The front of the command line: listing commands, dispatching through Fire, and errors as one line.

Nothing heavy is imported here, so that help and mistakes answer at once.
"""

import inspect
import os
import re
import sys
import traceback
from collections.abc import Callable, Sequence

import fire
from fire.decorators import SetParseFns

from action_recognition.errors import ReportedError, UserError, did_you_mean

OVERRIDE = re.compile(r"^[+~]{0,2}[A-Za-z_][\w./@]*=")


def command_names(commands: type) -> dict[str, Callable[..., None]]:
    """`{"train-ml-flow": function}` in the order of definition."""
    functions = inspect.getmembers_static(commands, inspect.isfunction)
    order = {name: number for number, name in enumerate(vars(commands))}
    public = [(name, function) for name, function in functions if not name.startswith("_")]
    return {name.replace("_", "-"): function for name, function in sorted(public, key=lambda item: order[item[0]])}


def list_commands(commands: type) -> str:
    """All commands, one line each."""
    names = command_names(commands)
    width = max(map(len, names))
    lines = [f"  {name:<{width}}  {(function.__doc__ or '').splitlines()[0]}" for name, function in names.items()]
    return "\n".join(
        [
            "usage: python commands.py COMMAND [key=value ...]",
            "",
            *lines,
            "",
            "Keys and their defaults are in conf/. COMMAND --help tells more about one.",
        ]
    )


def split_arguments(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Sources and overrides, told apart by `key=` at the start; an existing file is a source whatever its name."""
    sources = [a for a in arguments if os.path.exists(a) or not OVERRIDE.match(a)]  # noqa: PTH110 - no Path per argument
    return sources, [a for a in arguments if a not in sources]


def main(commands: type, arguments: Sequence[str]) -> int:
    """Run one command; returns the exit code."""
    names = command_names(commands)
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(list_commands(commands))
        return 0
    name = arguments[0].replace("_", "-")
    if name not in names:
        known = f"{did_you_mean(name, names)}; python commands.py --help lists them"
        print(f"error: no command {arguments[0]!r}{known}", file=sys.stderr)
        return 2
    if any(argument in ("-h", "--help") for argument in arguments[1:]):
        print(f"python commands.py {name} [key=value ...]\n\n{inspect.getdoc(names[name])}")
        return 0
    flags = [argument for argument in arguments[1:] if argument.startswith("-")]
    if flags:
        print(f"error: {flags[0]}: expected key=value, without dashes; keys are in conf/", file=sys.stderr)
        return 2
    return _run(commands, name, arguments[1:])


def _run(commands: type, name: str, arguments: Sequence[str]) -> int:
    try:
        # The words reach the command as they are: Hydra, not Fire, knows what a value means.
        function = getattr(commands(), name.replace("-", "_"))
        fire.Fire(SetParseFns(default=str)(_positional(function)), command=list(arguments), name=f"commands.py {name}")
    except ReportedError:
        return 1
    except UserError as error:
        print(f"error: {_own_line(error)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except OSError as error:
        if os.environ.get("DEBUG"):
            traceback.print_exc()
        print(f"error: {error.strerror or error}: {error.filename or name}", file=sys.stderr)
        return 1
    return 0


def _own_line(error: UserError) -> str:
    """PyTorch raises an error of a loader's worker again with the worker's traceback as its text: its last line."""
    last = (str(error).strip().splitlines() or [""])[-1]
    return last.removeprefix(f"{type(error).__module__}.{type(error).__qualname__}: ")


def _positional(function: Callable[..., None]) -> Callable[..., None]:
    def call(*words: str) -> None:
        function(*words)

    call.__doc__ = function.__doc__
    return call
