"""Progress of long work: a bar with the remaining time on a terminal, elsewhere one line every half minute."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

LINE_SECONDS = 30.0
# A step may take seconds. Rich's default of half a minute would hold too few steps to estimate a speed.
SPEED_SECONDS = 300.0


class Advance(Protocol):
    """Reports progress: `total` is None while it is unknown, `note` names the current part of the work."""

    def __call__(self, done: int, total: int | None, note: str = "") -> None: ...


def silent(done: int, total: int | None, note: str = "") -> None:
    """An `Advance` that prints nothing."""


@contextmanager
def progress_bar(label: str, *, console: Console, in_bytes: bool = False, unit: str = "") -> Iterator[Advance]:
    """Show the progress of the work in the block, which reports it through the `Advance` that this yields.

    A terminal gets a bar, which disappears when the block ends. Elsewhere a thread prints a plain line every
    `LINE_SECONDS`, also during a single long step. Shorter work prints nothing.

    Args:
        in_bytes: `done` and `total` are bytes.
        unit: what they count, such as `files`, to tell how many are done a second.
    """
    work = Work(label, console=console, in_bytes=in_bytes, unit=unit)
    if console.quiet:
        yield silent
    elif console.is_terminal:
        with work.bar:
            yield work.advance
    else:
        stream = console.file  # now, because noisy libraries have their output redirected for a while
        with _repeating(lambda: print(work.line(), file=stream, flush=True), LINE_SECONDS):
            yield work.advance


class Work:
    """One piece of work: its progress, and the time that the rest takes at the speed of the last minutes.

    Args:
        in_bytes: the counts are bytes.
        unit: what they count, if their speed is to be told.
        clock: gives seconds that only grow.
    """

    def __init__(
        self,
        label: str,
        *,
        console: Console,
        in_bytes: bool = False,
        unit: str = "",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.label, self.in_bytes, self.unit = label, in_bytes, unit
        # No markup: a label may hold a file name, and a file name may hold brackets.
        name, count = (TextColumn(f"{{task.{field}}}", markup=False) for field in ("description", "fields[count]"))
        speed = (TransferSpeedColumn(),) if in_bytes else ()
        columns = (name, BarColumn(), count, *speed, TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn())
        self.bar = Progress(
            *columns, console=console, transient=True, speed_estimate_period=SPEED_SECONDS, get_time=clock
        )
        self.bar.add_task(label, total=None, count="")
        (self.task,) = self.bar.tasks

    def advance(self, done: int, total: int | None, note: str = "") -> None:
        if done < self.task.completed:  # another part of the work began, which has a speed of its own
            self.bar.reset(self.task.id)
        count = "" if total is None else f"{self._count(done)}/{self._count(total)}"
        count = ", ".join(filter(None, (count, self._speed())))
        description = ": ".join(filter(None, (self.label, note)))
        self.bar.update(self.task.id, completed=done, total=total, description=description, count=count)

    def line(self) -> str:
        """`decoding: 120 of 575 (21 %), 1:30 elapsed, about 5:41 left`, without the parts that are unknown."""
        task, parts = self.task, list[str]()
        if task.total is not None:
            share = f" ({int(task.percentage)} %)" if task.total else ""
            parts.append(f"{self._count(task.completed)} of {self._count(task.total)}{share}")
        elif task.completed:
            parts.append(self._count(task.completed))
        if speed := self._speed():
            parts.append(speed)
        parts.append(f"{as_clock(task.elapsed or 0)} elapsed")
        if task.time_remaining is not None:
            parts.append(f"about {as_clock(task.time_remaining)} left")
        return ": ".join(filter(None, (task.description, ", ".join(parts))))

    def _speed(self) -> str:
        return f"{self.task.speed:.1f} {self.unit}/s" if self.unit and self.task.speed else ""

    def _count(self, number: float) -> str:
        return f"{number / 1e6:,.1f} MB" if self.in_bytes else f"{number:.0f}"


def as_clock(seconds: float) -> str:
    """`4:05`, or `1:04:05` from an hour on."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


@contextmanager
def _repeating(act: Callable[[], None], seconds: float) -> Iterator[None]:
    """Call `act` every so many seconds, from a thread, until the block ends."""
    ended = threading.Event()

    def repeat() -> None:
        while not ended.wait(seconds):
            try:
                act()
            except (OSError, ValueError):  # the output was closed, which the work itself will notice
                return

    thread = threading.Thread(target=repeat, name="progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
