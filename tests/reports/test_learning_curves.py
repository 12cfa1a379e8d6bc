"""The picture of a training: what is on it, and that nothing of it is cut off."""

import math
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.drawn_figures import assert_nothing_is_cut_off, kept_figures
from matplotlib.figure import Figure

from action_recognition.reports.learning_curves import TIMES, plot_history

TITLE = "run: cnn3d on demo, split 1"


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Figure]]:
    with kept_figures(monkeypatch) as figures:
        yield figures


def whole_rows(epochs: int) -> list[dict[str, float]]:
    """Everything that a training records."""
    scores = {f"{split}_{name}": 0.25 for split in ("train", "val") for name in ("top1", "precision", "recall", "f1")}
    times = {name: float(place) for place, name in enumerate(TIMES, start=1)}
    fixed = scores | times | {"seconds": 21.0, "lr": 1e-3, "clips_per_second": 9.0, "val_loss": 1e9}
    return [{"epoch": float(epoch), "train_loss": 2 / (epoch + 1), **fixed} for epoch in range(epochs)]


def titles(figure: Figure) -> list[str]:
    return [axis.get_title() for axis in figure.axes if axis.get_title()]


def drawn_values(figure: Figure, panel: str) -> list[list[float]]:
    """The curves of a panel, without the keys of its legend."""
    (axis,) = (axis for axis in figure.axes if axis.get_title() == panel)
    curves = [list(map(float, line.get_ydata())) for line in axis.get_lines()]  # type: ignore[arg-type]
    return [curve for curve in curves if curve]


@pytest.mark.parametrize("epochs", [1, 2, 12, 80, 500])
def test_epochs_are_whole_numbers_and_the_best_is_named(drawn: list[Figure], epochs: int) -> None:
    rows = whole_rows(epochs)
    rows[0]["val_top1"] = 0.5
    plot_history(rows, Path("x.png"), title=TITLE)
    (figure,) = drawn
    assert_nothing_is_cut_off(figure)
    assert figure.get_suptitle() == f"{TITLE}\nbest validation top-1 50.0 %, in epoch 1 of {epochs}"
    assert len(titles(figure)) == 6
    for axis in figure.axes:
        low, high = axis.get_xlim()
        shown = [tick for tick in axis.get_xticks() if low <= tick <= high]
        assert shown
        assert all(tick == int(tick) for tick in shown)


def test_without_validation_nothing_is_called_best_and_panels_without_values_are_left_out(drawn: list[Figure]) -> None:
    plot_history([{"epoch": 0.0, "train_loss": 1.0, "train_top1": 0.5}], Path("x.png"), title="run")
    assert drawn[0].get_suptitle() == "run"
    assert titles(drawn[0]) == ["loss", "top-1 in %"]


def test_the_first_of_equal_epochs_is_the_best_as_for_the_checkpoint(drawn: list[Figure]) -> None:
    plot_history([{"epoch": float(e), "val_top1": 0.5} for e in range(3)], Path("x.png"), title="run")
    assert drawn[0].get_suptitle().endswith("in epoch 1 of 3")


def test_a_value_that_is_not_finite_leaves_a_gap(drawn: list[Figure]) -> None:
    rows = whole_rows(4)
    rows[1] |= {"train_loss": math.inf, "val_top1": math.nan, "lr": math.nan, "data_seconds": math.nan}
    plot_history(rows, Path("x.png"), title="run")
    assert drawn[0].get_suptitle().endswith("25.0 %, in epoch 1 of 4")
    losses = drawn_values(drawn[0], "loss")[0]
    assert [math.isfinite(value) for value in losses] == [True, False, True, True]


def test_a_history_that_an_older_version_began_is_drawn_from_where_values_are(drawn: list[Figure]) -> None:
    rows = whole_rows(4)
    rows[:2] = [{"epoch": float(epoch), "train_loss": 1.0, "seconds": 3.0} for epoch in range(2)]
    plot_history(rows, Path("x.png"), title="run")
    assert len(drawn_values(drawn[0], "loss")[0]) == 4
    assert len(drawn_values(drawn[0], "training clips per second")[0]) == 2


@pytest.mark.parametrize("rows", [[], [{"epoch": 0.0}], [{"epoch": 0.0, "train_loss": math.nan}]])
def test_hardly_anything_recorded_is_no_error(rows: list[dict[str, float]], tmp_path: Path) -> None:
    plot_history(rows, tmp_path / "x.png", title="run")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x.png", "x.svg"]


def test_text_in_the_svg_can_be_searched_and_marks_in_names_are_no_markup(tmp_path: Path) -> None:
    plot_history(whole_rows(500), tmp_path / "x.png", title="run-$a$-<b>&")
    svg = (tmp_path / "x.svg").read_text(encoding="utf-8")
    words = set(re.findall(r"<text[^>]*>([^<]+)</text>", svg))
    assert {"validation", "waiting for data", "seconds per epoch", "run-$a$-&lt;b&gt;&amp;"} <= words
    assert len(svg) < 500_000
