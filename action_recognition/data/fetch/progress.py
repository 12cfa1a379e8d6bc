"""What a long download or unpacking says while it runs."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol


class Progress(Protocol):
    """Called often, with the bytes done so far; `total_bytes` is None where nobody knows it."""

    def __call__(self, what: str, done_bytes: int, total_bytes: int | None) -> None: ...


def silent(what: str, done_bytes: int, total_bytes: int | None) -> None:
    """Says nothing."""


@contextmanager
def terminal_progress() -> Iterator[Progress]:
    """A bar with bytes, rate and time left for each thing reported; where there is no terminal, one line at the end."""
    from rich.progress import BarColumn, DownloadColumn, TaskID, TextColumn, TimeRemainingColumn, TransferSpeedColumn
    from rich.progress import Progress as Bars

    # No markup: a file name with brackets in it is a file name.
    name = TextColumn("{task.description}", markup=False)
    bars = Bars(name, BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    tasks: dict[str, TaskID] = {}

    def report(what: str, done_bytes: int, total_bytes: int | None) -> None:
        if what not in tasks:
            tasks[what] = bars.add_task(what, total=total_bytes)
        bars.update(tasks[what], completed=done_bytes, total=total_bytes)

    with bars:
        yield report
