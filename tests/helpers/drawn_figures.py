"""What is on a matplotlib figure, and whether all of it is inside."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import matplotlib.pyplot as plt
import pytest
from matplotlib.figure import Figure

from action_recognition.reports import figures


@contextmanager
def kept_figures(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Figure]]:
    """The figures that would be saved as PNG files, drawn and not saved."""
    found: list[Figure] = []

    def keep(figure: Figure, path: Path) -> None:
        figure.canvas.draw()
        if path.suffix == ".png":
            found.append(figure)

    monkeypatch.setattr(figures, "_save", keep)
    yield found
    for figure in found:
        plt.close(figure)


def texts(figure: Figure) -> set[str]:
    return {text.get_text() for text in figure.findobj(plt.Text) if text.get_visible()}


def assert_nothing_is_cut_off(figure: Figure) -> None:
    inside, needed = figure.bbox_inches.padded(0.02), figure.get_tightbbox()
    assert inside.contains(needed.x0, needed.y0)
    assert inside.contains(needed.x1, needed.y1)
