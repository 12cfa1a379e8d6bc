"""The comparison as blocks of a page."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from action_recognition.reports.page import Block, Bullets, Heading, Plot, Table
from action_recognition.studies.table import Row


def comparison_blocks(rows: Sequence[Row], lines: Sequence[str], *, title: str, plot: Path) -> Iterator[Block]:
    """Title, one row per run, what one has to know to read it, and the plot, a PNG that exists already."""
    several = len({row.experiment for row in rows}) > 1
    cells = [_cells(row, with_experiment=several) for row in rows]
    wide = frozenset(cells[0]) - {"runtime", *rows[0].scores}
    marked = frozenset(number for number, row in enumerate(rows) if row.is_baseline)
    yield Heading(title, level=1)
    yield Table(tuple(cells[0]), [tuple(of_run.values()) for of_run in cells], wide=wide, marked=marked)
    yield Bullets(lines)
    yield Plot(plot.name, plot.read_bytes(), title)


def _cells(row: Row, *, with_experiment: bool) -> dict[str, str | Sequence[str]]:
    """By the table's headings; the interval stands behind the first score."""
    first, *others = row.scores.items()
    return {
        "run": f"{row.experiment}: {row.name}" if with_experiment else row.name,
        "date": row.date,
        "runtime": row.runtime,
        "device": row.device,
        first[0]: f"{first[1]} ({row.interval})" if row.interval else first[1],
        **dict(others),
        "top-1 difference": row.difference,
        "changed against the baseline": row.changed,
        "runtime against the baseline": row.why,
    }
