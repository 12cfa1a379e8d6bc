"""Plots of several runs: scores beside runtimes, and how a search went."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from action_recognition.studies.records import RunRecord
from action_recognition.studies.table import duration, shortened
from action_recognition.utils.files import replacing

LONGEST_NAME = 44
# Percent points; a closer look would make noise look like a difference.
NARROWEST = 20
METRICS = {"top1": "top-1", "top3": "top-3", "top5": "top-5", "mean_class_accuracy": "mean class accuracy"}
BLUE, GREY, ORANGE = "#1f77b4", "#7f7f7f", "#d9730d"


def plot_runs(runs: Sequence[RunRecord], baselines: Sequence[RunRecord], path: Path, *, metric: str) -> None:
    """One line a run, in the table's order: the score with its interval, and the runtime; baselines have a star.

    Validation scores are hollow: they are no test scores.
    """
    size = (11, 1.7 + 0.42 * len(runs))
    figure, (left, right) = plt.subplots(1, 2, figsize=size, sharey=True, layout="constrained", width_ratios=(3, 2))
    for place, run in enumerate(runs):
        _score_point(left, place, run, metric)
        if run.seconds is not None:
            right.barh(place, run.seconds, height=0.55, color=GREY if run in baselines else BLUE, alpha=0.75)
            right.annotate(
                duration(run.seconds), (run.seconds, place), xytext=(4, 0), textcoords="offset points", va="center"
            )
    names = [f"{shortened(run.name, LONGEST_NAME)}{' *' if run in baselines else ''}" for run in runs]
    if len({run.experiment for run in runs}) > 1:
        names = [f"{run.experiment}: {name}" for run, name in zip(runs, names, strict=True)]
    left.set_yticks(range(len(runs)), names)
    left.set_ylim(len(runs) - 0.4, -0.6)
    low, high = left.get_xlim()
    middle, half = (low + high) / 2, max(high - low, NARROWEST) / 2
    left.set_xlim(max(middle - half, -2), min(middle + half, 102))
    left.set(xlabel=f"{METRICS[metric]} in % (* baseline)")
    left.grid(alpha=0.3)
    _key(left, runs)
    longest = max((run.seconds or 0 for run in runs), default=0)
    right.set_xlim(0, 1.45 * longest or 1)  # the longest bar's label, too
    right.set_xticks([])  # the bars say it
    right.set(xlabel="runtime")
    _save(figure, path)


def _score_point(axis: Axes, place: int, run: RunRecord, metric: str) -> None:
    scores = run.scores
    if scores is None or metric not in scores.values:
        axis.annotate(
            "not logged", (0.5, place), xycoords=("axes fraction", "data"), ha="center", va="center", color=GREY
        )
        return
    value = 100 * scores.values[metric]
    if metric == "top1" and scores.low is not None and scores.high is not None:
        axis.plot([100 * scores.low, 100 * scores.high], [place, place], color=BLUE, linewidth=2, alpha=0.6)
    tested = scores.split == "test"
    axis.plot(value, place, "o", color=BLUE if tested else ORANGE, fillstyle="full" if tested else "none", markersize=7)
    axis.annotate(f"{value:.1f}", (value, place), xytext=(0, 7), textcoords="offset points", ha="center", fontsize=8)


def _key(axis: Axes, runs: Sequence[RunRecord]) -> None:
    entries = []
    if any(run.test for run in runs):
        entries.append(Line2D([], [], color=BLUE, marker="o", label="test, 95 % interval"))
    if any(run.scores and run.scores.split == "val" for run in runs):
        entries.append(
            Line2D([], [], color=ORANGE, marker="o", fillstyle="none", linestyle="none", label="validation, best epoch")
        )
    if entries:
        axis.figure.legend(handles=entries, loc="outside upper left", ncols=2, fontsize=9, frameon=False)


def plot_search(trials: Sequence[tuple[int, float, str]], path: Path) -> None:
    """Trials as `(number, validation top-1, state)`, and the best so far of the complete ones."""
    figure, axis = plt.subplots(figsize=(7, 3.6), layout="constrained")
    for state, color, marker in (("complete", BLUE, "o"), ("pruned", GREY, "x")):
        points = [(number, 100 * value) for number, value, found in trials if found == state]
        if points:
            axis.plot(*zip(*points, strict=True), marker, color=color, label=state)
    complete = [(number, value) for number, value, state in trials if state == "complete"]
    best = [100 * max(value for _, value in complete[: place + 1]) for place in range(len(complete))]
    axis.step([number for number, _ in complete], best, where="post", color=ORANGE, label="best so far")
    axis.set(xlabel="trial", ylabel="best validation top-1 in %")
    axis.xaxis.get_major_locator().set_params(integer=True)
    axis.grid(alpha=0.3)
    figure.legend(loc="outside upper left", ncols=3, frameon=False)
    _save(figure, path)


def plot_importances(importances: Mapping[str, float], path: Path) -> None:
    """Shares of the score's variance, the largest first."""
    figure, axis = plt.subplots(figsize=(7, 1.2 + 0.35 * len(importances)), layout="constrained")
    names = sorted(importances, key=lambda name: importances[name])
    axis.barh([shortened(name, LONGEST_NAME) for name in names], [importances[name] for name in names], color=BLUE)
    axis.set(xlim=(0, 1), xlabel="importance: share of the score's variance (fANOVA)")
    _save(figure, path)


def _save(figure: Figure, path: Path) -> None:
    try:
        with replacing(path) as partial:
            figure.savefig(partial, dpi=110)
    finally:
        plt.close(figure)
