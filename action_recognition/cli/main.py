"""The front of the command line: help, dispatch, and errors as one line. It imports nothing slow."""

import os
import sys
import tempfile
import traceback
from collections.abc import Mapping, Sequence

from action_recognition.cli.command import Command
from action_recognition.cli.commands import COMMANDS, load_command
from action_recognition.cli.standard_streams import CLOSED_PIPE, is_closed_pipe, open_streams, output_fails, silence
from action_recognition.errors import ReportedError, UserError, did_you_mean, first_line
from action_recognition.utils.interruption import exit_code, interruption_line, terminable
from action_recognition.utils.program import as_called, program
from action_recognition.utils.rank import is_first_process
from action_recognition.utils.redaction import redacted
from action_recognition.utils.text import printable

STDIN = "-"  # as an input
BUG = 70  # EX_SOFTWARE of sysexits.h


def list_commands(commands: Mapping[str, str]) -> str:
    """All commands, one line each."""
    width = max(map(len, commands))
    lines = [f"usage: {program()} COMMAND [key=value ...]", ""]
    lines += [f"  {name:<{width}}  {load_command(place).summary}" for name, place in commands.items()]
    return "\n".join([*lines, "", "Keys and their defaults are in conf/. COMMAND --help tells more about one."])


def main(arguments: Sequence[str] | None = None, commands: Mapping[str, str] = COMMANDS) -> int:
    """Run one command; returns the exit code.

    Args:
        arguments: the command's name, then its words; None for those of the process.
        commands: where each command is, as `module:object`.

    0: done. 1: a mistake or a failure, said in one line. 2: no such command or option. 70: a bug of this program.
    130: interrupted; 143: ended by SIGTERM. 141: nobody reads the output any more.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        open_streams()
        with terminable():
            code = _dispatch(commands, arguments)
        sys.stdout.flush()
    except (Exception, KeyboardInterrupt, SystemExit) as error:
        return _report(error, arguments)
    return code


def _dispatch(commands: Mapping[str, str], arguments: Sequence[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(list_commands(commands))
        return 0
    if arguments[0] == "--version":
        print(f"action-recognition {version()}")
        return 0
    name = arguments[0].replace("_", "-")
    if name not in commands:
        known = f"{did_you_mean(name, commands)}; python commands.py --help lists them"
        _say(f"no command {arguments[0]!r}{known}")
        return 2
    command = load_command(commands[name])
    if any(argument in ("-h", "--help") for argument in arguments[1:]):
        print(help_text(name, command))
        return 0
    flags = [word for word in arguments[1:] if word.startswith("-") and not os.path.exists(word)]  # noqa: PTH110
    if command.takes_inputs:
        flags = [word for word in flags if word != STDIN]
    if flags:
        _say(f"{flags[0]!r}: expected key=value, without dashes; keys are in conf/")
        return 2
    _call(name, command, arguments[1:])
    return 0


def help_text(name: str, command: Command) -> str:
    """How a command is called, what it does, and the keys that it reads."""
    from action_recognition.cli.key_help import key_lines  # not at the top: the list of commands answers without it

    lines = [f"{program()} {name} {command.usage}", "", as_called(command.help)]
    if command.groups:
        lines += ["", "Keys that it reads, with their defaults in conf/:", "", *key_lines(command.groups)]
    return "\n".join(lines)


def version() -> str:
    """The version that is installed, also where the package is installed as a link to a checkout."""
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as installed

    try:
        return installed("action-recognition")
    except PackageNotFoundError:
        return "(not installed)"


# Fire reads a leading dash as an option and "-" as a separator. No word has one behind this character.
SHIELD = "="


def _call(name: str, command: Command, words: Sequence[str]) -> None:
    """Call a command through Fire, with the words exactly as typed: what a value means is Hydra's to say."""
    import fire  # not at the top: help answers without it
    from fire.decorators import SetParseFn

    @SetParseFn(lambda word: word.removeprefix(SHIELD))
    def call(*words: str) -> None:
        command.run(words)

    call.__doc__ = command.help
    fire.Fire(call, command=[f"{SHIELD}{word}" for word in words], name=f"{program()} {name}")


def _report(error: BaseException, arguments: Sequence[str]) -> int:
    """Say in one line why a command ended early; returns its exit code."""
    command = arguments[0] if arguments else ""
    if is_closed_pipe(error):
        silence(sys.stdout)
        return CLOSED_PIPE
    if isinstance(error, SystemExit):
        raise error
    if os.environ.get("DEBUG"):
        traceback.print_exception(error)
    match error:
        case ReportedError():
            return 1
        case UserError():
            _say(str(error))
        case KeyboardInterrupt():
            if is_first_process():  # Ctrl-C reaches all processes of a training
                _say(interruption_line(error, arguments), prefix="")
            return exit_code(error)
        case OSError():
            _say(f"{error.strerror or first_line(error)}: {_failed_file(error, command)}")
        case _ if _is_out_of_memory(error):
            what = "data.batch_size, clip.frames, clip.size or model"
            _say(f"not enough memory for {command}; a smaller {what} takes less")
        case _:
            what = f"{type(error).__name__}: {first_line(error)}"
            _say(f"a bug in this program, not in how it was called: {what}; its traceback: {_keep_traceback(error)}")
            return BUG
    return 1


def _is_out_of_memory(error: BaseException) -> bool:
    """Of Python and NumPy, of a GPU, or of torch on a CPU, which knows no class of its own for it."""
    kinds = {kind.__name__ for kind in type(error).__mro__}
    return bool(kinds & {"MemoryError", "OutOfMemoryError"}) or "DefaultCPUAllocator: can't allocate" in str(error)


def _say(line: str, *, prefix: str = "error: ") -> None:
    try:
        print(f"{prefix}{printable(redacted(as_called(line)))}", file=sys.stderr, flush=True)
    except OSError:  # a closed pipe or a full disk, too
        silence(sys.stderr)


def _failed_file(error: OSError, command: str) -> str:
    if not error.filename and output_fails():
        silence(sys.stdout)
        return "standard output"
    return str(error.filename or command)


def _keep_traceback(error: BaseException) -> str:
    """Write the traceback to a file of its own; its path, for a report of the bug."""
    try:
        with tempfile.NamedTemporaryFile(
            "w", prefix="action-recognition-", suffix=".txt", delete=False, encoding="utf-8", errors="backslashreplace"
        ) as file:
            file.writelines(map(redacted, traceback.format_exception(error)))
            return file.name
    except OSError:
        return "DEBUG=1 prints it"
