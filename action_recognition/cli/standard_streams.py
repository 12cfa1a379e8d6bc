"""Standard output as a command meets it: closed, full, read only in part, or unable to show a name."""

import os
import select
import sys
from contextlib import suppress
from typing import TextIO

from action_recognition.errors import UserError

# What a shell shows for a program that a closed pipe has ended (128 + SIGPIPE).
CLOSED_PIPE = 141


def open_streams() -> None:
    """Make sure that the three streams are open, and that any file name can be written to them.

    A stream that is closed (`2>&-`) leaves its number to the next file that is opened: messages of C libraries
    would then be written into that file.

    Raises:
        UserError: if standard output is closed: no result would reach anybody.
    """
    closed = [number for number in range(3) if not _is_open(number)]
    for _ in closed:
        os.open(os.devnull, os.O_RDWR)  # takes the lowest free number
    if sys.stderr is None:
        sys.stderr = open(2, "w")  # noqa: SIM115 - or what is said to it would be printed to standard output
    if sys.stdout is None:
        raise UserError("standard output is closed (>&-): expected a terminal, a file or a pipe; >/dev/null is silent")
    for stream in (sys.stdout, sys.stderr):
        # Names that are not UTF-8, or that the terminal's encoding lacks, are shown with backslashes.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def is_closed_pipe(error: BaseException) -> bool:
    """Whether a command ended because nobody reads its output any more, as with `| head -1`."""
    if isinstance(error, SystemExit):  # Rich has noticed it, and made standard output silent
        return isinstance(error.__context__, BrokenPipeError)
    return isinstance(error, BrokenPipeError) and _reader_is_gone(sys.stdout)


def output_fails() -> bool:
    """Whether standard output takes nothing more, for example because its disk is full; an empty line is tried."""
    try:
        sys.stdout.flush()
        os.write(sys.stdout.fileno(), b"\n")
    except (OSError, ValueError):
        return True
    return False


def silence(stream: TextIO) -> None:
    """Send a stream nowhere: or Python would fail once more when it flushes it at its end."""
    with suppress(OSError, ValueError):  # a stream without a file below it has nothing to flush to
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


def _reader_is_gone(stream: TextIO) -> bool:
    try:
        poll = select.poll()
        poll.register(stream.fileno(), 0)
        return any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))
    except (AttributeError, OSError, ValueError):
        return False  # no `poll` on Windows, no file below a captured stream
