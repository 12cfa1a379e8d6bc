"""Ctrl-C and SIGTERM: one line that says how to continue, and the exit code that shells expect."""

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

# Commands that keep what is finished: the same command line continues from there.
GO_ON_WHEN_REPEATED = ("download-data", "cache-data", "tune", "evaluate-splits", "evaluate-splits-ml-flow")


class Interrupted(KeyboardInterrupt):
    """Work was interrupted by SIGINT (Ctrl-C) or SIGTERM; `advice` says what to run next."""

    def __init__(self, advice: str = "", *, signal_number: int = signal.SIGINT) -> None:
        super().__init__(advice)
        self.advice, self.signal_number = advice, signal_number


def exit_code(error: KeyboardInterrupt) -> int:
    """128 plus the signal's number, as in shells: 130 after Ctrl-C, 143 after SIGTERM."""
    return 128 + getattr(error, "signal_number", signal.SIGINT)


def interruption_line(error: KeyboardInterrupt, words: Sequence[str]) -> str:
    """The line about an interrupted command; `words` are the command and its arguments."""
    if words and words[0].replace("_", "-") in GO_ON_WHEN_REPEATED:
        return f"interrupted; continue with: {command_line(*words)}"
    advice = getattr(error, "advice", "")
    return f"interrupted; {advice}" if advice else "interrupted"


def command_line(*words: str) -> str:
    """The command line as called, quoted for a shell, with passwords hidden."""
    return f"{program()} {shlex.join(map(redacted, words))}"


@contextmanager
def advising(advice: Callable[[], str]) -> Iterator[None]:
    """Add the advice that `advice()` returns to an interrupt of the block that has none."""
    try:
        yield
    except KeyboardInterrupt as error:
        if getattr(error, "advice", ""):
            raise
        raise Interrupted(advice(), signal_number=getattr(error, "signal_number", signal.SIGINT)) from None


@contextmanager
def terminable() -> Iterator[None]:
    """SIGTERM raises `Interrupted` in the block, so that files are closed and runs end as after Ctrl-C."""

    def end(number: int) -> None:
        raise Interrupted(signal_number=number)

    with _handling((signal.SIGTERM,), end):
        yield


class Deferral:
    """Ctrl-C and SIGTERM in `active` wait for the next call of `check`; the second one is raised at once.

    An interrupt in the middle of a database transaction would leave the database locked.
    """

    def __init__(self) -> None:
        self._asked: int | None = None

    def check(self) -> None:
        """Raise `Interrupted` if a signal has come."""
        if self._asked is not None:
            raise Interrupted(signal_number=self._asked)

    def _note(self, number: int) -> None:
        self.check()
        self._asked = number
        if is_first_process():
            print("stopping after this step; interrupt again to stop at once", file=sys.stderr, flush=True)

    @contextmanager
    def active(self) -> Iterator[None]:
        with _handling((signal.SIGINT, signal.SIGTERM), self._note):
            yield


@contextmanager
def _handling(numbers: Sequence[int], act: Callable[[int], None]) -> Iterator[None]:
    """Call `act` for signals in the block, in this process's main thread; forked processes keep the usual action."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    process = os.getpid()

    def handle(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the signature of handlers
        if os.getpid() == process:
            act(number)
        elif number != signal.SIGINT:  # the first process ends them after Ctrl-C, which they get too
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)

    before = {number: signal.signal(number, handle) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
