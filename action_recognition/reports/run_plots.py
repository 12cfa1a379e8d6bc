"""Plots of an evaluation: confusion matrix, accuracy by class."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from numpy.typing import NDArray

from action_recognition.reports.figures import save_with_title
from action_recognition.utils.text import shortened

# Longer class names are cut in the middle, to leave room for the picture.
LONGEST_CLASS_NAME = 28
# More cells than this are smaller than a number that one could read.
MOST_NUMBERED_CLASSES = 60
# Inches: a cell of the confusion matrix, the matrix of few and of very many classes, a letter of a class name.
CELL, SMALLEST_MATRIX, LARGEST_MATRIX, CHARACTER = 0.26, 2.6, 30, 0.075


def plot_confusion(matrix_KK: NDArray[np.int64], class_names: Sequence[str], path: Path, *, title: str) -> None:
    """Rows are true classes, columns predictions; colours are shares of a row, numbers are clips.

    Args:
        matrix_KK: counts of clips.
        title: the run, its data and its score.
    """
    share_KK = matrix_KK / np.maximum(matrix_KK.sum(axis=1, keepdims=True), 1)
    names = [shortened(name, LONGEST_CLASS_NAME) for name in class_names]
    true_names = [f"{name} ({total})" for name, total in zip(names, matrix_KK.sum(axis=1), strict=True)]
    side = min(max(SMALLEST_MATRIX, CELL * len(names)), LARGEST_MATRIX)
    letters = 8 * min(1.0, side / len(names) / CELL)
    # Names at both sides, the colour bar, the title: inches beside the matrix.
    width = side + 1.6 + CHARACTER * max(map(len, true_names))
    height = side + 1.3 + CHARACTER * max(map(len, names))
    figure, axis = plt.subplots(figsize=(width, height), layout="constrained")
    image = axis.imshow(share_KK, vmin=0, vmax=1, cmap="Blues")
    figure.colorbar(image, ax=axis, label="share of the true class", shrink=min(1.0, 5 / side), aspect=20)
    axis.set_xticks(range(len(names)), names, rotation=90, fontsize=letters)
    axis.set_yticks(range(len(names)), true_names, fontsize=letters)
    axis.set(xlabel="predicted", ylabel="true (clips)")
    if len(class_names) <= MOST_NUMBERED_CLASSES:
        for row, column in zip(*np.nonzero(matrix_KK), strict=True):
            color = "white" if share_KK[row, column] > 0.5 else "black"
            count = int(matrix_KK[row, column])
            size = 7 if count < 1000 else 5
            axis.text(column, row, str(count), ha="center", va="center", color=color, fontsize=size)
    save_with_title(figure, title, path)


def plot_class_accuracy(matrix_KK: NDArray[np.int64], class_names: Sequence[str], path: Path, *, title: str) -> None:
    """Top-1 of each class that has clips, best first, with the number of clips behind it.

    Args:
        matrix_KK: counts of clips, rows true, columns predicted.
        title: the run, its data and its score.
    """
    total_K = matrix_KK.sum(axis=1)
    present = np.flatnonzero(total_K)
    correct_K, total_K = matrix_KK.diagonal()[present], total_K[present]
    percent_K = 100 * correct_K / total_K
    order = np.argsort(percent_K, kind="stable")
    figure, axis = plt.subplots(figsize=(7, 0.24 * len(present) + 1.7), layout="constrained")
    names = [shortened(class_names[present[i]], LONGEST_CLASS_NAME) for i in order]
    places = np.arange(len(order))  # not names: two that are cut alike would share a bar
    axis.barh(places, percent_K[order], height=0.7, color="C0")
    axis.set_yticks(places, names)
    for place, index in enumerate(order):
        text = f"{correct_K[index]} of {total_K[index]}"
        axis.annotate(text, (101, place), va="center", fontsize=8, color="0.35", annotation_clip=False)
    mean = percent_K.mean()
    axis.axvline(mean, color="black", linewidth=1, linestyle="--", label=f"mean of classes {mean:.1f} %")
    axis.set(xlim=(0, 100), ylim=(-0.7, len(order) - 0.3), xlabel="top-1 in %; clips at the right")
    figure.legend(loc="outside lower right", fontsize=8, frameon=False)
    save_with_title(figure, title, path)
