"""Plots of a run: learning curves, confusion matrix, accuracy by class."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from action_recognition.files import replacing


def plot_history(rows: Sequence[dict[str, float]], path: Path) -> None:
    """Loss and top-1 over epochs, training beside validation."""
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
    for axis, name, title in zip(axes, ("loss", "top1"), ("loss", "top-1"), strict=True):
        for split in ("train", "val"):
            points = [(row["epoch"] + 1, row[f"{split}_{name}"]) for row in rows if f"{split}_{name}" in row]
            if points:
                axis.plot(*zip(*points, strict=True), label=split, marker="o", markersize=3)
        axis.set(title=title, xlabel="epoch")
        axis.grid(alpha=0.3)
        axis.legend()
    axes[1].set_ylim(0, 1)
    _save(figure, path)


def plot_confusion(matrix_KK: NDArray[np.int64], class_names: Sequence[str], path: Path) -> None:
    """Rows are true classes, columns predictions; colours are shares of a row, numbers are clips."""
    share_KK = matrix_KK / np.maximum(matrix_KK.sum(axis=1, keepdims=True), 1)
    side = max(4.5, 0.32 * len(class_names) + 2)
    figure, axis = plt.subplots(figsize=(side + 1, side), layout="constrained")
    image = axis.imshow(share_KK, vmin=0, vmax=1, cmap="Blues")
    figure.colorbar(image, ax=axis, label="share of the class's clips", shrink=0.8)
    ticks = range(len(class_names))
    axis.set_xticks(ticks, class_names, rotation=90)
    axis.set_yticks(ticks, class_names)
    axis.set(xlabel="predicted", ylabel="true")
    for row, column in zip(*np.nonzero(matrix_KK), strict=True):
        color = "white" if share_KK[row, column] > 0.5 else "black"
        axis.text(column, row, str(matrix_KK[row, column]), ha="center", va="center", color=color, fontsize=7)
    _save(figure, path)


def plot_class_accuracy(matrix_KK: NDArray[np.int64], class_names: Sequence[str], path: Path) -> None:
    """Top-1 of each class, best first."""
    total_K = matrix_KK.sum(axis=1)
    present = np.flatnonzero(total_K)
    accuracy = matrix_KK.diagonal()[present] / total_K[present]
    order = np.argsort(accuracy, kind="stable")
    figure, axis = plt.subplots(figsize=(6, 0.25 * len(present) + 1.2), layout="constrained")
    axis.barh([class_names[present[i]] for i in order], accuracy[order])
    axis.axvline(accuracy.mean(), color="black", linewidth=1, linestyle="--", label=f"mean {accuracy.mean():.2f}")
    axis.set(xlim=(0, 1), xlabel="top-1")
    axis.legend(loc="lower right")
    _save(figure, path)


def _save(figure: Figure, path: Path) -> None:
    try:
        with replacing(path) as partial:
            figure.savefig(partial, dpi=110)
    finally:
        plt.close(figure)
