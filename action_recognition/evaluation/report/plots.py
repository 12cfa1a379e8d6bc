"""All plots of an evaluation, each as PNG with a headline and as SVG without."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from action_recognition.evaluation.figures import EvaluationFigures, ReliabilityBin, RiskCoverage, TagFigures
from action_recognition.evaluation.intervals import Estimate
from action_recognition.evaluation.report.class_plots import plot_class_accuracy, plot_confusion
from action_recognition.reports.figures import BLUE, LIGHT_BLUE, ORANGE, SOFT, save_with_title

# Inches. On the screen of a phone, letters keep their size in a figure of this width.
SMALL = (4.2, 3.9)


def write_plots(figures: EvaluationFigures, directory: Path, *, title: str) -> tuple[Path, ...]:
    """Write the plots into `directory`; a data set without tags has no plot of them.

    Returns:
        The PNG files; an SVG lies beside each.
    """
    names = ("confusion_matrix", "class_accuracy", "reliability", "risk_coverage", "tags")
    confusion, classes, reliability, risk, tags = (directory / f"{name}.png" for name in names)
    plot_confusion(figures.confusion_KK, figures.class_names, confusion, title=title)
    plot_class_accuracy(figures.classes, classes, mean=figures.metrics.values["mean_class_accuracy"], title=title)
    plot_reliability(figures, reliability, title=title)
    plot_risk_coverage(figures.risk_coverage, risk, title=title)
    if not figures.tags:
        for path in (tags, tags.with_suffix(".svg")):  # of an earlier evaluation
            path.unlink(missing_ok=True)
        return confusion, classes, reliability, risk
    plot_tags(figures.tags, tags, top1=figures.metrics.top1, title=title)
    return confusion, classes, reliability, risk, tags


def plot_reliability(figures: EvaluationFigures, path: Path, *, title: str) -> None:
    """How often clips of a confidence are right, before and after calibration, above the number of clips."""
    calibration = figures.calibration
    figure, (above, below) = plt.subplots(2, 1, figsize=SMALL, layout="constrained", height_ratios=(4, 1), sharex=True)
    above.plot([0, 100], [0, 100], color=SOFT, linewidth=1, linestyle=":", label="as sure as it is right")
    if calibration.temperature != 1.0:
        _reliability_line(above, calibration.uncalibrated_bins, ORANGE, "s--", "before calibration")
    label = f"at temperature {calibration.temperature:.3g}"
    _reliability_line(above, calibration.bins, BLUE, "o-", label)
    above.set(xlim=(-2, 102), ylim=(-3, 103), aspect="auto")
    above.set_ylabel("right, in %")
    above.legend(fontsize=8, frameon=False, loc="best")
    for one in calibration.bins:
        middle, width = 50 * (one.low + one.high), 100 * (one.high - one.low)
        below.bar(middle, one.clips, width=0.86 * width, color=LIGHT_BLUE)
        if one.clips:
            text = {"ha": "center", "textcoords": "offset points", "fontsize": 7, "color": SOFT}
            below.annotate(f"{one.clips}", (middle, one.clips), xytext=(0, 2), **text)
    below.set(yticks=[])
    below.margins(y=0.35)
    below.spines["left"].set_visible(False)
    below.set_ylabel("clips", rotation=0, ha="right", va="center")
    below.set_xlabel("probability of the likeliest class, in %")
    save_with_title(figure, title, path, also_svg=True)


def _reliability_line(axis: Axes, bins: tuple[ReliabilityBin, ...], color: str, style: str, label: str) -> None:
    points = [(100 * one.confidence, 100 * one.accuracy) for one in bins if one.clips]
    fill = "none" if color == ORANGE else color  # hollow: colours alone would not tell everybody which is which
    axis.plot(
        *zip(*points, strict=True), style, color=color, markersize=4.5, linewidth=1.4, label=label, markerfacecolor=fill
    )


def plot_risk_coverage(risk_coverage: RiskCoverage, path: Path, *, title: str) -> None:
    """The share of wrong answers over the share of answered clips, and where the threshold lies on it."""
    figure, axis = plt.subplots(figsize=SMALL, layout="constrained")
    curve = np.array([(one.coverage, one.risk) for one in risk_coverage.points]).reshape(-1, 2) * 100
    axis.plot(*curve.T, color=BLUE, linewidth=1.6, drawstyle="steps-pre", label="answering the surest clips only")
    if risk_coverage.threshold > 0 and risk_coverage.risk is not None:
        coverage, risk = _percent(risk_coverage.coverage), _percent(risk_coverage.risk)
        answered = f"threshold {risk_coverage.threshold:.2f}: {coverage.value:.0f} % answered"
        axis.errorbar(
            coverage.value,
            risk.value,
            xerr=[[max(0.0, coverage.value - coverage.low)], [max(0.0, coverage.high - coverage.value)]],
            yerr=[[max(0.0, risk.value - risk.low)], [max(0.0, risk.high - risk.value)]],
            fmt="D",
            color=ORANGE,
            capsize=3,
            linewidth=1.2,
            label=f"{answered},\n{risk.value:.1f} % of them wrong",
        )
    axis.set(xlim=(0, 102), ylim=(0, None))
    axis.set_xlabel("clips answered, in %")
    axis.set_ylabel("wrong among the answered, in %")
    axis.grid()
    axis.set_ylim(0, min(102.0, max(5.0, 1.3 * axis.get_ylim()[1])))  # room for the legend
    axis.legend(fontsize=8, frameon=False, loc="best")
    save_with_title(figure, title, path, also_svg=True)


def plot_tags(tags: tuple[TagFigures, ...], path: Path, *, top1: float, title: str) -> None:
    """Top-1 by what the file names say about clips, with 95 % intervals, beside the top-1 of all."""
    kinds = list(dict.fromkeys(one.tag for one in tags))
    places = [-(number + 0.6 * kinds.index(one.tag)) for number, one in enumerate(tags)]
    figure, axis = plt.subplots(figsize=(5.2, 0.27 * (len(tags) + 0.6 * len(kinds)) + 0.9), layout="constrained")
    axis.axvline(100 * top1, color=SOFT, linewidth=1, linestyle="--", label=f"all clips {100 * top1:.1f} %")
    for one, place in zip(tags, places, strict=True):
        estimate = _percent(one.top1)
        axis.plot([estimate.low, estimate.high], [place, place], color=BLUE, linewidth=2, solid_capstyle="butt")
        axis.plot(estimate.value, place, "o", color=BLUE, markersize=5)
        text = f"{one.clips} clips"
        axis.annotate(text, (102, place), va="center", fontsize=8, color=SOFT, annotation_clip=False)
    axis.set_yticks(places, [f"{one.tag.replace('_', ' ')}: {one.meaning}" for one in tags], parse_math=False)
    axis.set(xlim=(0, 101), ylim=(min(places) - 0.6, 0.6))
    axis.set_xlabel("top-1 in %, with 95 % interval")
    axis.tick_params(axis="y", length=0)
    axis.grid(axis="x")
    figure.legend(loc="outside lower right", fontsize=8, frameon=False)
    save_with_title(figure, title, path, also_svg=True)


def _percent(estimate: Estimate) -> Estimate:
    return Estimate(*(100 * bound for bound in estimate))
