"""Plots of an evaluation by class: the confusion matrix and the accuracy of each class."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PatchCollection
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from action_recognition.evaluation.figures import ClassFigures
from action_recognition.reports.figures import HEAT, INK, LIGHT_BLUE, LINE, SOFT, save_with_title
from action_recognition.utils.text import printable, shortened

# Longer class names are cut in the middle, to leave room for the picture.
LONGEST_CLASS_NAME = 28
# More classes than this make a plot in which nothing can be read; then only the most interesting are shown.
MOST_CLASSES = 60
# Inches: a cell of the confusion matrix, the matrix of few classes, a letter of a class name.
CELL, SMALLEST_MATRIX, CHARACTER = 0.26, 2.4, 0.075
OTHERS = "all others"


def plot_confusion(matrix_KK: NDArray[np.int64], class_names: Sequence[str], path: Path, *, title: str) -> None:
    """Rows are true classes, columns predictions; colours are shares of a row, numbers are clips. PNG, and SVG beside.

    Of many classes, those that are most confused have a row and a column of their own, the others share one.

    Args:
        matrix_KK: counts of clips.
        title: the run, its data and its score.
    """
    matrix_SS, shown = most_confused(matrix_KK, class_names)
    names = [shortened(printable(name), LONGEST_CLASS_NAME) for name in shown]
    true_names = [f"{name} ({total})" for name, total in zip(names, matrix_SS.sum(axis=1), strict=True)]
    side = max(SMALLEST_MATRIX, CELL * len(names))
    # Names at both sides: inches beside the matrix.
    width = side + 0.7 + CHARACTER * max(map(len, true_names))
    height = side + 1.0 + CHARACTER * max(map(len, names))
    figure, axis = plt.subplots(figsize=(width, height), layout="constrained")
    _cells(axis, matrix_SS)
    axis.set_xticks(range(len(names)), names, rotation=90, fontsize=8, parse_math=False)
    axis.set_yticks(range(len(names)), true_names, fontsize=8, parse_math=False)
    axis.tick_params(length=0)
    axis.set_xlabel("predicted")
    axis.set_ylabel("true (clips)")
    save_with_title(figure, title, path, also_svg=True)


def most_confused(
    matrix_KK: NDArray[np.int64], class_names: Sequence[str]
) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """The matrix of at most `MOST_CLASSES` classes, the rest summed up as `OTHERS`, and the names.

    The classes with the most wrong clips are kept, counted in their row and their column, in their old order.
    """
    if len(class_names) <= MOST_CLASSES:
        return matrix_KK, tuple(class_names)
    wrong_K = matrix_KK.sum(axis=1) + matrix_KK.sum(axis=0) - 2 * matrix_KK.diagonal()
    kept = np.sort(np.argsort(-wrong_K, kind="stable")[: MOST_CLASSES - 1])
    group_K = np.full(len(class_names), len(kept))
    group_K[kept] = np.arange(len(kept))
    matrix_SS = np.zeros((len(kept) + 1, len(kept) + 1), dtype=np.int64)
    np.add.at(matrix_SS, (group_K[:, None], group_K[None, :]), matrix_KK)
    return matrix_SS, (*(class_names[index] for index in kept), OTHERS)


def _cells(axis: Axes, matrix_SS: NDArray[np.int64]) -> None:
    """Only cells with clips: an SVG of all would be large, and the empty ones say nothing."""
    share_SS = matrix_SS / np.maximum(matrix_SS.sum(axis=1, keepdims=True), 1)
    rows, columns = np.nonzero(matrix_SS)
    squares = [Rectangle((column - 0.5, row - 0.5), 1, 1) for row, column in zip(rows, columns, strict=True)]
    alpha = 0.08 + 0.92 * share_SS[rows, columns]
    axis.add_collection(PatchCollection(squares, facecolors=HEAT, alpha=alpha, linewidths=0))
    for row, column in zip(rows.tolist(), columns.tolist(), strict=True):
        count, color = int(matrix_SS[row, column]), "#fefefe" if share_SS[row, column] > 0.45 else INK
        size = 7 if count < 1000 else 5
        # Inside the axes anyway: measuring hundreds of numbers for the layout would take seconds.
        axis.text(column, row, str(count), ha="center", va="center", color=color, fontsize=size, in_layout=False)
    last = len(matrix_SS) - 0.5
    axis.set(xlim=(-0.5, last), ylim=(last, -0.5), aspect="equal")
    axis.spines[:].set(visible=True, color=LINE)


def plot_class_accuracy(classes: Sequence[ClassFigures], path: Path, *, mean: float, title: str) -> None:
    """Top-1 of each class that has clips, best first, with its 95 % interval and the number of clips behind it.

    Of many classes, the weakest are shown. PNG, and SVG beside.

    Args:
        mean: over the classes, a share of 1.
        title: the run, its data and its score.
    """
    scored = sorted(
        ((one, one.accuracy) for one in classes if one.accuracy), key=lambda pair: (pair[1].value, -pair[0].clips)
    )
    shown = scored[:MOST_CLASSES]
    figure, axis = plt.subplots(figsize=(7, 0.24 * len(shown) + 1.7), layout="constrained")
    places = np.arange(len(shown))  # not names: two that are cut alike would share a bar
    value_S, low_S, high_S = 100 * np.array([estimate for _, estimate in shown]).reshape(-1, 3).T
    axis.barh(places, value_S, height=0.7, color=LIGHT_BLUE)
    axis.hlines(places, low_S, high_S, color=INK, linewidth=1.2)
    axis.set_yticks(places, [shortened(printable(one.name), LONGEST_CLASS_NAME) for one, _ in shown], parse_math=False)
    for place, (one, _) in enumerate(shown):
        text = f"{one.correct} of {one.clips}"
        axis.annotate(text, (102, place), va="center", fontsize=8, color=SOFT, annotation_clip=False)
    axis.axvline(100 * mean, color=INK, linewidth=1, linestyle="--", label=f"mean of classes {100 * mean:.1f} %")
    weakest = f"the {len(shown)} weakest of {len(scored)} classes; " if len(shown) < len(scored) else ""
    axis.set(xlim=(0, 101), ylim=(-0.7, len(shown) - 0.3))
    axis.set_xlabel(f"{weakest}top-1 in %, with 95 % interval; clips at the right")
    figure.legend(loc="outside lower right", fontsize=8, frameon=False)
    save_with_title(figure, title, path, also_svg=True)
