"""The plots of a run: what is on them, and that nothing of it is cut off."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.drawn_figures import assert_nothing_is_cut_off, kept_figures
from matplotlib.figure import Figure

from action_recognition.reports.run_plots import plot_history


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Figure]]:
    with kept_figures(monkeypatch) as figures:
        yield figures


@pytest.mark.parametrize("epochs", [1, 2, 3, 12, 80, 300])
def test_epochs_are_whole_numbers_and_the_best_is_named(drawn: list[Figure], epochs: int) -> None:
    rows = [{"epoch": float(e), "train_loss": 2 / (e + 1), "val_loss": 1e9, "val_top1": 0.25} for e in range(epochs)]
    rows[0]["val_top1"] = 0.5
    plot_history(rows, Path("x.png"), title="run: cnn3d on demo, split 1")
    (figure,) = drawn
    assert_nothing_is_cut_off(figure)
    assert "run: cnn3d on demo" in figure.get_suptitle()
    assert f"best validation top-1 50.0 %, in epoch 1 of {epochs}" in figure.get_suptitle()
    for axis in figure.axes:
        low, high = axis.get_xlim()
        shown = [tick for tick in axis.get_xticks() if low <= tick <= high]
        assert shown
        assert all(tick == int(tick) for tick in shown)


def test_without_validation_nothing_is_called_best(drawn: list[Figure]) -> None:
    plot_history([{"epoch": 0.0, "train_loss": 1.0, "train_top1": 0.5}], Path("x.png"), title="run")
    assert drawn[0].get_suptitle() == "run"
