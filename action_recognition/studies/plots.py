"""The plot of several runs: scores beside runtimes."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from action_recognition.evaluation.metrics import METRICS, PRIMARY, Metric
from action_recognition.reports.figures import save_figure
from action_recognition.studies.records import RunRecord
from action_recognition.studies.table import duration
from action_recognition.utils.text import shortened

LONGEST_NAME = 44
# Percentage points; a narrower axis would make noise look like a difference.
NARROWEST = 20
BLUE, GREY, ORANGE = "#1f77b4", "#7f7f7f", "#d9730d"


def plot_runs(runs: Sequence[RunRecord], baselines: Sequence[RunRecord], path: Path, *, metric: str) -> None:
    """One line per run, in the table's order: the score with its interval, and the runtime; baselines have a star.

    Validation scores are hollow: they are not test scores.

    Args:
        metric: the name of a registered metric.
    """
    shown = METRICS[metric]
    size = (11, 1.7 + 0.42 * len(runs))
    figure, (left, right) = plt.subplots(1, 2, figsize=size, sharey=True, layout="constrained", width_ratios=(3, 2))
    for place, run in enumerate(runs):
        _score_point(left, place, run, shown)
        if run.seconds is not None:
            right.barh(place, run.seconds, height=0.55, color=GREY if run in baselines else BLUE, alpha=0.75)
            right.text(run.seconds, place, f" {duration(run.seconds)}", va="center")
    names = [f"{shortened(run.name, LONGEST_NAME)}{' *' if run in baselines else ''}" for run in runs]
    if len({run.experiment for run in runs}) > 1:
        names = [f"{run.experiment}: {name}" for run, name in zip(runs, names, strict=True)]
    left.set_yticks(range(len(runs)), names)
    left.set_ylim(len(runs) - 0.4, -0.6)
    if shown.is_share:
        low, high = left.get_xlim()
        middle, half = (low + high) / 2, max(high - low, NARROWEST) / 2
        left.set_xlim(max(middle - half, -2), min(middle + half, 102))
    left.set(xlabel=f"{shown.axis_label} (* baseline)")
    left.grid(alpha=0.3)
    _key(left, runs)
    longest = max((run.seconds or 0 for run in runs), default=0)
    right.set_xlim(0, 1.45 * longest or 1)  # the longest bar's label, too
    right.set_xticks([])  # the bars say it
    right.set(xlabel="runtime")
    save_figure(figure, path)


def _score_point(axis: Axes, place: int, run: RunRecord, metric: Metric) -> None:
    scores = run.scores
    if scores is None or metric.name not in scores.values:
        beside = axis.get_yaxis_transform()
        axis.text(0.5, place, "not logged", color=GREY, transform=beside, ha="center", va="center")
        return
    value = metric.scale * scores.values[metric.name]
    if metric.name == PRIMARY and scores.low is not None and scores.high is not None:
        axis.plot([100 * scores.low, 100 * scores.high], [place, place], color=BLUE, linewidth=2, alpha=0.6)
    tested = scores.split == "test"
    axis.plot(value, place, "o", color=BLUE if tested else ORANGE, fillstyle="full" if tested else "none", markersize=7)
    label = metric.text(scores.values[metric.name]).removesuffix(" %")
    axis.annotate(label, (value, place), xytext=(0, 7), textcoords="offset points", ha="center", fontsize=8)


def _key(axis: Axes, runs: Sequence[RunRecord]) -> None:
    entries = []
    if any(run.test for run in runs):
        entries.append(Line2D([], [], color=BLUE, marker="o", label="test, 95 % interval"))
    if any(run.scores and run.scores.split == "val" for run in runs):
        label = "validation, best epoch"
        entries.append(Line2D([], [], color=ORANGE, marker="o", fillstyle="none", linestyle="none", label=label))
    if entries:
        axis.figure.legend(handles=entries, loc="outside upper left", ncols=2, fontsize=9, frameon=False)
