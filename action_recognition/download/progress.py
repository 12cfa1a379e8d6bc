"""What a long download or unpacking says while it runs."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from rich.console import Console


class Progress(Protocol):
    """Called often, with the bytes done so far; `total_bytes` is None where nobody knows it."""

    def __call__(self, what: str, done_bytes: int, total_bytes: int | None) -> None: ...


def silent(what: str, done_bytes: int, total_bytes: int | None) -> None:
    """Says nothing."""


@contextmanager
def terminal_progress(console: "Console | None" = None, line_seconds: float | None = None) -> Iterator[Progress]:
    """A bar with bytes, rate and time left for each thing reported; where there is no terminal, a line now and then."""
    from rich.console import Console

    from action_recognition.utils.progress import progress_bar

    console = console or Console(soft_wrap=True)
    if console.is_terminal:
        with _bars(console) as report:
            yield report
        return
    with progress_bar("", console=console, line_seconds=line_seconds, in_bytes=True) as advance:
        yield lambda what, done_bytes, total_bytes: advance(done_bytes, total_bytes, what)


@contextmanager
def _bars(console: "Console") -> Iterator[Progress]:
    from rich.progress import BarColumn, DownloadColumn, TaskID, TextColumn, TimeRemainingColumn, TransferSpeedColumn
    from rich.progress import Progress as Bars

    # No markup: a file name with brackets in it is a file name.
    name = TextColumn("{task.description}", markup=False)
    columns = (name, BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    tasks: dict[str, TaskID] = {}
    with Bars(*columns, console=console) as bars:

        def report(what: str, done_bytes: int, total_bytes: int | None) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=total_bytes)
            bars.update(tasks[what], completed=done_bytes, total=total_bytes)

        yield report
