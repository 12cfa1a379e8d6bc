"""Progress of long work: a bar with the remaining time on a terminal, elsewhere one line every half minute."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import IO, Protocol

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.text import Text

LINE_SECONDS = 30.0
# Steps may take seconds each, so that Rich's half minute would hold too few of them to tell a speed.
SPEED_SECONDS = 300.0
# Work that begins with this much of it done goes on from an earlier run.
RESUMED_WITHIN_SECONDS = 1.0


class Advance(Protocol):
    """Says how far the work is: `total` is None where nobody knows it, `note` names what is being done now."""

    def __call__(self, done: int, total: int | None, note: str = "") -> None: ...


def silent(done: int, total: int | None, note: str = "") -> None:
    """An `Advance` that says nothing."""


@contextmanager
def progress_bar(
    label: str, *, console: Console, line_seconds: float | None = None, in_bytes: bool = False
) -> Iterator[Advance]:
    """Show how far the work in the block is; it calls what it is given with (done, total).

    On a terminal that is a bar, which goes when the block ends. Elsewhere it is a plain line every `line_seconds`
    (`LINE_SECONDS`), the first one after that time, so that short work says nothing. The lines come from a thread:
    they also appear while a single step takes long.

    Args:
        label: names the work.
        in_bytes: `done` and `total` are bytes.
    """
    if console.is_terminal and not console.quiet:
        with _bar(label, console, in_bytes=in_bytes) as advance:
            yield advance
    else:
        state = WorkState(label, in_bytes=in_bytes)
        # The stream of now: libraries that are too talkative have their output redirected for a while.
        stream = console.file
        with _repeating(
            lambda: _write_line(stream, state.line()), line_seconds or LINE_SECONDS, active=not console.quiet
        ):
            yield state.advance


@dataclass
class WorkState:
    """How far some work is, and what that means for the time it still takes.

    Args:
        label: names the work.
        in_bytes: the counts are bytes.
        clock: seconds that only grow.
    """

    label: str
    in_bytes: bool = False
    clock: Callable[[], float] = time.monotonic
    done: int = 0
    total: int | None = None
    note: str = ""
    began: float = field(init=False)
    _since: tuple[float, int] = field(init=False)
    _advanced: float = field(init=False)

    def __post_init__(self) -> None:
        self.began = self._advanced = self.clock()
        self._since = (self.began, 0)

    def advance(self, done: int, total: int | None, note: str = "") -> None:
        now = self.clock()
        another = note != self.note and total != self.total
        if done < self.done or another or (self.done == 0 and now - self.began < RESUMED_WITHIN_SECONDS):
            self._since = (now, done)  # speed is counted from here
        if done != self.done:
            self._advanced = now
        self.done, self.total, self.note = done, total, note

    def remaining_seconds(self) -> float | None:
        """Seconds that the rest takes at the speed so far; None while that is unknown."""
        (since, first), now = self._since, self.clock()
        if self.total is None or self.done <= first:
            return None
        seconds_each = (self._advanced - since) / (self.done - first)
        return max(0.0, (self.total - self.done) * seconds_each - (now - self._advanced))

    def line(self) -> str:
        """`decoding: 120 of 575 (21 %), 1:30 elapsed, about 5:41 left`, as much of it as is known."""
        parts = []
        if self.total is not None:
            share = f" ({100 * self.done // self.total} %)" if self.total else ""
            parts.append(f"{self._count(self.done)} of {self._count(self.total)}{share}")
        elif self.done:
            parts.append(self._count(self.done))
        parts.append(f"{as_clock(self.clock() - self.began)} elapsed")
        remaining = self.remaining_seconds()
        if remaining is not None:
            parts.append(f"about {as_clock(remaining)} left")
        return ": ".join(text for text in (self.label, self.note, ", ".join(parts)) if text)

    def _count(self, number: int) -> str:
        return f"{number / 1e6:,.1f} MB" if self.in_bytes else str(number)


def as_clock(seconds: float) -> str:
    """`4:05`, or `1:04:05` from an hour on."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


class _CountColumn(ProgressColumn):
    """`12/40`; nothing where the total is not known."""

    def __init__(self, *, in_bytes: bool) -> None:
        super().__init__()
        self.in_bytes = in_bytes

    def render(self, task: Task) -> Text:
        if task.total is None:
            return Text("")
        scale, unit = (1e6, " MB") if self.in_bytes else (1, "")
        return Text(f"{task.completed / scale:.0f}/{task.total / scale:.0f}{unit}", style="progress.download")


@contextmanager
def _bar(label: str, console: Console, *, in_bytes: bool) -> Iterator[Advance]:
    # No markup: a label may name a file, and a file's name may hold brackets.
    name = TextColumn("{task.description}", markup=False)
    speed = (TransferSpeedColumn(),) if in_bytes else ()
    times = (TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn())
    columns = (name, BarColumn(), _CountColumn(in_bytes=in_bytes), *speed, *times)
    with Progress(*columns, console=console, transient=True, speed_estimate_period=SPEED_SECONDS) as bar:
        task = bar.add_task(label, total=None)

        def advance(done: int, total: int | None, note: str = "") -> None:
            bar.update(task, completed=done, total=total, description=": ".join(filter(None, (label, note))))

        yield advance


@contextmanager
def _repeating(act: Callable[[], None], seconds: float, *, active: bool) -> Iterator[None]:
    """Call `act` every so many seconds, from a thread, until the block ends."""
    ended = threading.Event()

    def repeat() -> None:
        while not ended.wait(seconds):
            try:
                act()
            except (OSError, ValueError):  # the output was closed: that is for the work itself to notice
                return

    thread = threading.Thread(target=repeat, name="progress", daemon=True)
    if active:
        thread.start()
    try:
        yield
    finally:
        ended.set()
        if active:
            thread.join()


def _write_line(stream: IO[str], line: str) -> None:
    stream.write(f"{line}\n")
    stream.flush()
