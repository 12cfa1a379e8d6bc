"""The picture of a training: scores by epoch, learning rate, throughput, and where the time goes."""

import math
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from action_recognition.reports.figures import BLUE, ORANGE, SOFT, save_figure

Row = Mapping[str, float]

TRAINING, VALIDATION = BLUE, ORANGE
SPLITS = {"train": ("training batches", TRAINING), "val": ("validation", VALIDATION)}
# What is a line of its own beside the colour of the split.
CLASS_SCORES = {"precision": "--", "recall": ":", "f1": "-"}
# Columns of `history.csv` and their names, in the order in which they are stacked.
TIMES = {
    "data_seconds": ("waiting for data", "#d55e00"),
    "augment_seconds": ("augmentation", "#e69f00"),
    "forward_seconds": ("forward", "#56b4e9"),
    "backward_seconds": ("backward, optimizer", "#0072b2"),
    "validation_seconds": ("validation", "#009e73"),
    "other_seconds": ("other", "#999999"),
}
POINTS_WITH_MARKERS = MOST_BARS = 40
# Inches and points: a picture of this width is legible on a phone, where it is shrunk to half its size.
WIDTH, HEIGHT_OF_ROW, TEXT = 8.4, 2.75, 12


def plot_history(rows: Sequence[Row], path: Path, *, title: str) -> None:
    """Draw what `rows` have, as PNG at `path` and as SVG with searchable text beside it.

    Panels are loss, top-1, macro precision, recall and F1, learning rate, throughput, and where the time goes. Training
    is drawn beside validation; a line marks the epoch with the best validation top-1, the first one among equals, which
    is `best.ckpt`. Training scores are of augmented clips, taken while the weights changed, so that they may lie below
    validation's. Values that are missing or not finite are left out.

    Args:
        rows: of `history.csv`; `epoch` counts from 0.
        title: the run and its data; the best score is added.
    """
    panels = [(draw, columns) for draw, columns in PANELS if any(True for name in columns for _ in points(rows, name))]
    best = best_epoch(rows)
    with plt.rc_context({"font.size": TEXT}):
        lines = math.ceil(len(panels) / 2)
        size = (WIDTH, HEIGHT_OF_ROW * max(lines, 1) + 0.9)
        figure, axes = plt.subplots(max(lines, 1), 2, figsize=size, layout="constrained", squeeze=False)
        for axis in axes.flat[len(panels) :]:
            axis.set_axis_off()
        for axis, (draw, _) in zip(axes.flat, panels, strict=False):
            draw(axis, rows)
            _finish(axis, rows, best)
        if best is not None:
            value = 100 * best["val_top1"]
            title = f"{title}\nbest validation top-1 {value:.1f} %, in epoch {int(best['epoch']) + 1} of {len(rows)}"
        figure.suptitle("\n".join(_wrapped(title)), fontsize=TEXT + 1, parse_math=False)
        save_figure(figure, path.with_suffix(".svg"))
        save_figure(figure, path)


def points(rows: Sequence[Row], name: str) -> Iterator[tuple[float, float]]:
    """Epochs, counted from 1, and values of a column; NaN where a value is not finite, which breaks a line."""
    return ((row["epoch"] + 1, row[name] if math.isfinite(row[name]) else math.nan) for row in rows if name in row)


def best_epoch(rows: Sequence[Row]) -> Row | None:
    """The first row with the highest validation top-1; None without validation."""
    judged = (row for row in rows if math.isfinite(row.get("val_top1", math.nan)))
    return max(judged, key=lambda row: row["val_top1"], default=None)


def _line(axis: Axes, rows: Sequence[Row], name: str, *, scale: float = 1.0, **look: Any) -> None:
    found = [(epoch, scale * value) for epoch, value in points(rows, name)]
    if found:
        marker = "o" if len(found) <= POINTS_WITH_MARKERS else ""
        axis.plot(*zip(*found, strict=True), marker=marker, markersize=4, **look)


def _from_zero(axis: Axes, rows: Sequence[Row], name: str) -> None:
    most = max((value for _, value in points(rows, name) if math.isfinite(value)), default=0.0)
    axis.set_ylim(0, 1.1 * most or 1.0)


def _loss(axis: Axes, rows: Sequence[Row]) -> None:
    for split, (label, color) in SPLITS.items():
        _line(axis, rows, f"{split}_loss", label=label, color=color)
    axis.set_title("loss")
    axis.legend(frameon=False)


def _top1(axis: Axes, rows: Sequence[Row]) -> None:
    for split, (label, color) in SPLITS.items():
        _line(axis, rows, f"{split}_top1", scale=100, label=label, color=color)
    axis.set_title("top-1 in %")
    axis.set_ylim(-3, 103)
    best = best_epoch(rows)
    if best is not None:
        place = best["epoch"] + 1, 100 * best["val_top1"]
        look: dict[str, Any] = {
            "color": VALIDATION,
            "fillstyle": "none",
            "markersize": 11,
            "markeredgewidth": 2,
            "clip_on": False,
        }
        axis.plot(*place, "o", linestyle="none", label="best.ckpt", **look)
    axis.legend(frameon=False)


def _class_scores(axis: Axes, rows: Sequence[Row]) -> None:
    for split, (_, color) in SPLITS.items():
        for score, style in CLASS_SCORES.items():
            _line(axis, rows, f"{split}_{score}", scale=100, color=color, linestyle=style)
    axis.set_title("mean over classes in %")
    axis.set_ylim(-3, 103)
    for score, style in CLASS_SCORES.items():
        axis.plot([], [], color=SOFT, linestyle=style, label="F1" if score == "f1" else score)
    axis.legend(frameon=False)


def _learning_rate(axis: Axes, rows: Sequence[Row]) -> None:
    _line(axis, rows, "lr", color=SOFT)
    axis.set_title("learning rate of the head")
    _from_zero(axis, rows, "lr")
    axis.yaxis.set_major_formatter(lambda value, _: f"{value:g}")


def _throughput(axis: Axes, rows: Sequence[Row]) -> None:
    _line(axis, rows, "clips_per_second", color=SOFT)
    axis.set_title("training clips per second")
    _from_zero(axis, rows, "clips_per_second")


def _times(axis: Axes, rows: Sequence[Row]) -> None:
    """Bars of few epochs, areas of many; parts that never took a hundredth of the time are not in the legend."""
    timed = [row for row in rows if all(name in row for name in TIMES)]
    epochs = [row["epoch"] + 1 for row in timed]
    total = sum(row["seconds"] for row in timed)
    floor = [0.0] * len(timed)
    for name, (label, color) in TIMES.items():
        top = [low + row[name] for low, row in zip(floor, timed, strict=True)]
        shown = label if sum(row[name] for row in timed) >= 0.01 * total else None
        if len(timed) <= MOST_BARS:
            heights = [row[name] for row in timed]
            axis.bar(epochs, heights, bottom=floor, width=0.8, color=color, label=shown)
        else:
            axis.fill_between(epochs, floor, top, color=color, label=shown, linewidth=0)
        floor = top
    axis.set_title("seconds per epoch")
    axis.figure.legend(*axis.get_legend_handles_labels(), frameon=False, loc="outside lower center", ncols=3)


PANELS = (
    (_loss, ("train_loss", "val_loss")),
    (_top1, ("train_top1", "val_top1")),
    (_class_scores, tuple(f"{split}_{score}" for split in SPLITS for score in CLASS_SCORES)),
    (_learning_rate, ("lr",)),
    (_throughput, ("clips_per_second",)),
    (_times, tuple(TIMES)),
)


def _finish(axis: Axes, rows: Sequence[Row], best: Row | None) -> None:
    """What every panel has: whole epochs, a grid, and a line at the best one."""
    epochs = [row["epoch"] + 1 for row in rows]
    if best is not None:
        axis.axvline(best["epoch"] + 1, color=VALIDATION, linewidth=1, linestyle="--", alpha=0.6)
    axis.set_xlim(min(epochs) - 0.6, max(epochs) + 0.6)
    axis.xaxis.set_major_locator(MaxNLocator(nbins=7, integer=True, min_n_ticks=1))
    axis.set_xlabel("epoch")
    axis.grid()


def _wrapped(title: str) -> list[str]:
    characters = int(WIDTH * 120 / (TEXT + 1))
    return [piece for line in title.splitlines() for piece in textwrap.wrap(line, characters, max_lines=2)]
