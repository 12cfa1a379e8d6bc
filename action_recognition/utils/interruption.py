"""Work that Ctrl-C or SIGTERM ends: one line that says how to go on, and the exit code that shells expect."""

import os
import shlex
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

from action_recognition.utils.program import program
from action_recognition.utils.rank import is_first_process
from action_recognition.utils.redaction import redacted

# Commands that keep what is finished: the same words again go on from there.
GO_ON_WHEN_REPEATED = ("download-data", "cache-data", "tune")


class Interrupted(KeyboardInterrupt):
    """Work was interrupted.

    Args:
        advice: what to run next.
        signal_number: SIGINT (Ctrl-C) or SIGTERM.
    """

    def __init__(self, advice: str = "", *, signal_number: int = signal.SIGINT) -> None:
        super().__init__(advice)
        self.advice = advice
        self.signal_number = signal_number


def exit_code(error: KeyboardInterrupt) -> int:
    """130 after Ctrl-C, 143 after SIGTERM: 128 and the signal's number, as shells have it."""
    return 128 + getattr(error, "signal_number", signal.SIGINT)


def interruption_line(error: KeyboardInterrupt, words: Sequence[str]) -> str:
    """What is said about an interrupted command.

    Args:
        words: the command and its arguments.
    """
    if words and words[0].replace("_", "-") in GO_ON_WHEN_REPEATED:
        return f"interrupted; continue with: {command_line(*words)}"
    advice = getattr(error, "advice", "")
    return f"interrupted; {advice}" if advice else "interrupted"


def command_line(*words: str) -> str:
    """`python commands.py WORDS`, or as it was called, to be typed into a shell; passwords in it are hidden."""
    return f"{program()} {shlex.join(map(redacted, words))}"


@contextmanager
def advising(advice: Callable[[], str]) -> Iterator[None]:
    """Give an interrupt of the block that carries no advice yet what `advice` says then."""
    try:
        yield
    except KeyboardInterrupt as error:
        if getattr(error, "advice", ""):
            raise
        number = getattr(error, "signal_number", signal.SIGINT)
        raise Interrupted(advice(), signal_number=number) from None


@contextmanager
def terminable() -> Iterator[None]:
    """Let SIGTERM raise `Interrupted` in the block, so that files are closed and runs are ended as after Ctrl-C."""

    def end(number: int) -> None:
        raise Interrupted(signal_number=number)

    with _handling((signal.SIGTERM,), end):
        yield


class Deferral:
    """Ctrl-C and SIGTERM in the block wait for the next call of `check`; the second one is raised at once.

    An interrupt that comes in the middle of a transaction leaves the database locked, and one in the middle of a step
    is of no use to anybody.
    """

    def __init__(self) -> None:
        self._asked: int | None = None

    def check(self) -> None:
        """Raises `Interrupted` if that was asked for."""
        if self._asked is not None:
            raise Interrupted(signal_number=self._asked)

    def _note(self, number: int) -> None:
        self.check()
        self._asked = number
        if is_first_process():
            print("ends after this step; once more ends it at once", file=sys.stderr, flush=True)

    @contextmanager
    def active(self) -> Iterator[None]:
        with _handling((signal.SIGINT, signal.SIGTERM), self._note):
            yield


@contextmanager
def _handling(numbers: Sequence[int], act: Callable[[int], None]) -> Iterator[None]:
    """Handle signals in the block, in the main thread of this process; processes forked from it do as they would."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    process = os.getpid()

    def handle(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the signature of handlers
        if os.getpid() == process:
            act(number)
        elif number != signal.SIGINT:  # after Ctrl-C, which they get too, the first process ends them
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)

    before = {number: signal.signal(number, handle) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
