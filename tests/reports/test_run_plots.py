"""The plots of a run: what is on them, and that nothing of it is cut off."""

from collections.abc import Iterator
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.figure import Figure

from action_recognition.reports import run_plots as plots
from action_recognition.reports.figures import DPI
from action_recognition.reports.run_plots import plot_class_accuracy, plot_confusion, plot_history
from action_recognition.utils.text import shortened

TITLE = "hmdb51-r3d_18-20261121-143015: best.ckpt on hmdb51, split 1, 1530 test clips\ntop-1 58.1 % (52.0 - 63.9)"


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Figure]]:
    """The figures, drawn and kept open."""
    figures: list[Figure] = []

    def keep(figure: Figure, path: Path) -> None:
        figure.canvas.draw()
        figures.append(figure)

    monkeypatch.setattr(plots, "save_figure", keep)
    yield figures
    for figure in figures:
        plt.close(figure)


def texts(figure: Figure) -> set[str]:
    return {text.get_text() for text in figure.findobj(plt.Text) if text.get_visible()}


def assert_nothing_is_cut_off(figure: Figure) -> None:
    inside, needed = figure.bbox_inches.padded(0.02), figure.get_tightbbox()
    assert inside.contains(needed.x0, needed.y0)
    assert inside.contains(needed.x1, needed.y1)


def counts(classes: int) -> np.ndarray:
    generator = np.random.default_rng(classes)
    return generator.integers(0, 3, (classes, classes)) + np.diag(generator.integers(1, 1200, classes))


@pytest.mark.parametrize("classes", [1, 2, 8, 51])
def test_confusion_and_class_accuracy_show_title_counts_and_names(drawn: list[Figure], classes: int) -> None:
    names = [*(f"class_{n}" for n in range(classes - 1)), "$a_very_long_class_name$_of_a_folder_typed_by_hand"]
    matrix_KK = counts(classes)
    plot_confusion(matrix_KK, names, Path("x.png"), title=TITLE)
    plot_class_accuracy(matrix_KK, names, Path("x.png"), title=TITLE)
    for figure in drawn:
        assert_nothing_is_cut_off(figure)
        heading = figure.get_suptitle().replace("\n", " ")
        assert "hmdb51, split 1" in heading
        assert "58.1 %" in heading
    confusion, accuracy = map(texts, drawn)
    correct, total = int(matrix_KK[0, 0]), int(matrix_KK[0].sum())
    assert str(correct) in confusion
    assert f"{correct} of {total}" in accuracy
    assert f"{shortened(names[0], plots.LONGEST_CLASS_NAME)} ({total})" in confusion


def test_a_class_without_clips_has_no_bar(drawn: list[Figure]) -> None:
    plot_class_accuracy(np.diag([3, 0, 2]), ["a", "b", "c"], Path("x.png"), title="t")
    assert {"a", "c"} <= texts(drawn[0])
    assert "b" not in texts(drawn[0])


def test_hundreds_of_classes_stay_a_picture_that_can_be_opened(drawn: list[Figure]) -> None:
    plot_confusion(counts(200), [f"c{number}" for number in range(200)], Path("x.png"), title=TITLE)
    assert max(drawn[0].get_size_inches()) * DPI < 5000


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
