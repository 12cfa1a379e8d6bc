"""The table of metrics, which all code reads that computes, shows, records or compares scores.

To add a metric, register it; nothing else has to change:

    register_metric(Metric(name="top2", label="top-2", compute=my_top_two))
"""

import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from action_recognition.evaluation import scores
from action_recognition.evaluation.intervals import FEW_GROUPS, Draws, Estimate, Statistic, basic, bootstrap
from action_recognition.evaluation.outcomes import Outcomes
from action_recognition.evaluation.scores import ClassCounts

# Probabilities `[N, K]` and labels `[N]` of N videos; returns the score.
Compute = Callable[[NDArray[np.floating], NDArray[np.int64]], float]
# The metric by which checkpoints and trials are chosen.
PRIMARY = "top1"
# Keys of `metrics.json` beside metrics, see `EvaluationFigures.flat`.
OTHER_KEYS = ("clips", "groups", "views", "temperature", "threshold", "coverage", "risk", "risk_coverage_area")
NOT_A_NAME = re.compile(r"(clip|uncalibrated)_.*|.*_(low|high)")


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One metric.

    Attributes:
        name: the key in `metrics.json`, in MLflow (`test_<name>`) and of `compare.metric`: lower case, digits and `_`.
        label: as shown in tables and plots.
        compute: from probabilities `[N, K]` and labels `[N]`.
        weighted: the same score of all draws of the bootstrap at once, from what `Outcomes` keeps of a clip. Without
            it, `compute` is called once for each draw, with its rows, and there is no score of single views.
        higher_is_better: False for errors and losses.
        is_share: a share of 1, shown in percent; any other number is shown as it is.
        compared: whether `compare-runs` has a column for it.
        grows_by_chance: chance alone makes it larger, the more so in the draws of a bootstrap, as with a distance. Its
            interval is a basic one, see `intervals.basic`.
    """

    name: str
    label: str
    compute: Compute
    weighted: scores.Weighted | None = None
    higher_is_better: bool = True
    is_share: bool = True
    compared: bool = True
    grows_by_chance: bool = False

    @property
    def scale(self) -> float:
        """From the value to what plots show."""
        return 100.0 if self.is_share else 1.0

    @property
    def axis_label(self) -> str:
        direction = "" if self.higher_is_better else ", lower is better"
        return f"{self.label}{' in %' if self.is_share else ''}{direction}"

    def text(self, value: float) -> str:
        """`58.1 %`, or four significant digits of what is not a share."""
        return f"{100 * value:.1f} %" if self.is_share else f"{value:.4g}"


def top_k_hits(probability_NK: NDArray[np.floating], label_N: NDArray[np.int64], *, k: int) -> NDArray[np.bool_]:
    """`[N]`: whether the label is among the `k` most probable classes. Ties go to the lower class number."""
    return Outcomes.of(probability_NK, label_N).rank_N < k


def computed(weighted: scores.Weighted) -> Compute:
    """The score of all clips once, from a score of draws."""

    def compute(probability_NK: NDArray[np.floating], label_N: NDArray[np.int64]) -> float:
        once = Draws(np.zeros(len(label_N), dtype=np.int64), np.ones((1, 1)))
        return float(weighted(Outcomes.of(probability_NK, label_N), once)[0])

    return compute


def _built_in() -> Iterator[Metric]:
    def metric(name: str, label: str, weighted: scores.Weighted, **more: bool) -> Metric:
        options = {"compared": False} | more
        return Metric(name=name, label=label, weighted=weighted, compute=computed(weighted), **options)

    yield metric(PRIMARY, "top-1", scores.top_k_accuracy(1), compared=True)
    yield metric("top3", "top-3", scores.top_k_accuracy(3), compared=True)
    yield metric("top5", "top-5", scores.top_k_accuracy(5))
    yield metric("mean_class_accuracy", "mean class accuracy", scores.mean_class_accuracy)
    for average in (scores.macro, scores.weighted):
        of_class = ClassCounts.precision, ClassCounts.recall, ClassCounts.f1
        for score, label in zip(of_class, ("precision", "recall", "F1"), strict=True):
            kind = average.__name__
            yield metric(f"{label.lower()}_{kind}", f"{kind} {label}", average(score))
    loss = {"higher_is_better": False, "is_share": False}
    yield metric("log_loss", "log loss", scores.log_loss, **loss)
    yield metric("brier", "Brier score", scores.brier, **loss)
    error = {"higher_is_better": False, "grows_by_chance": True}
    yield metric("calibration_error", "calibration error", scores.calibration_error, **error)


# By name, in the order of tables.
METRICS: dict[str, Metric] = {metric.name: metric for metric in _built_in()}


def register_metric(metric: Metric) -> None:
    """Add a metric to the table; call it before the evaluation that should compute it.

    Raises:
        ValueError: for a name that is taken or cannot be a key.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]*", metric.name):
        raise ValueError(f"metric {metric.name!r}: expected lower-case letters, digits and _")
    if metric.name in METRICS or metric.name in OTHER_KEYS or NOT_A_NAME.fullmatch(metric.name):
        raise ValueError(f"metric {metric.name}: there is a key of this name already")
    METRICS[metric.name] = metric


@dataclass(frozen=True, kw_only=True)
class Metrics:
    """Scores of `clips` videos from `groups` source videos.

    Attributes:
        estimates: of every registered metric, by name.
    """

    estimates: Mapping[str, Estimate]
    clips: int
    groups: int

    @property
    def values(self) -> dict[str, float]:
        return {name: estimate.value for name, estimate in self.estimates.items()}

    @property
    def top1(self) -> float:
        return self.estimates[PRIMARY].value

    @property
    def top1_low(self) -> float:
        return self.estimates[PRIMARY].low

    @property
    def top1_high(self) -> float:
        return self.estimates[PRIMARY].high

    def text(self, name: str) -> str:
        return METRICS[name].text(self.estimates[name].value)

    @property
    def interval(self) -> str:
        """Of top-1, in percent: `52.0 - 63.9`."""
        return f"{100 * self.top1_low:.1f} - {100 * self.top1_high:.1f}"

    @property
    def caution(self) -> str:
        """One line where the intervals say less than they seem to; otherwise empty."""
        reasons = []
        if self.groups < FEW_GROUPS:
            sources = f"{self.groups} source{'s' if self.groups > 1 else ''}"
            few = f"with fewer than {FEW_GROUPS} a bootstrap interval is too narrow"
            reasons.append(f"the clips come from only {sources}; {few}")
        if self.top1 in (0, 1):
            every = "right" if self.top1 else "wrong"
            reasons.append(f"every clip is {every}, and so is every draw of the bootstrap: the interval has no width")
        return f"caution: {'; '.join(reasons)}" if reasons else ""

    def flat(self) -> dict[str, float | int]:
        """All numbers by the keys of `metrics.json`."""
        return {**flat_estimates(self.estimates), "clips": self.clips, "groups": self.groups}


def flat_estimates(estimates: Mapping[str, Estimate]) -> dict[str, float]:
    """`{name: value, name_low: lower bound, name_high: upper bound}` of each."""
    flat: dict[str, float] = {}
    for name, (value, low, high) in estimates.items():
        flat |= {name: value, f"{name}_low": low, f"{name}_high": high}
    return flat


def compute_metrics(
    probability_NK: NDArray[np.floating], label_N: NDArray[np.int64], groups: Sequence[str], *, resamples: int
) -> Metrics:
    """Every registered metric of a set of videos, with its interval.

    Args:
        groups: the source video of each video, see `intervals.bootstrap`.
        resamples: draws of the bootstrap.

    Raises:
        ValueError: for a label that is no class.
        NumericsError: for a probability that is infinite or NaN.
    """
    return metrics_of(Outcomes.of(probability_NK, label_N), groups, probability_NK, resamples=resamples)


def metrics_of(
    clips: Outcomes,
    groups: Sequence[str],
    probability_NK: NDArray[np.floating] | None = None,
    *,
    resamples: int,
    names: Iterable[str] | None = None,
) -> Metrics:
    """As `compute_metrics`, from outcomes. Without probabilities, metrics without a weighted form are left out.

    Args:
        names: of the metrics; None for all.
    """
    statistics: dict[str, Statistic] = {}
    for metric in METRICS.values() if names is None else (METRICS[name] for name in names):
        if (statistic := statistic_of(metric, clips, probability_NK)) is not None:
            statistics[metric.name] = statistic
    found = bootstrap(list(statistics.values()), groups, resamples=resamples, width=clips.classes)
    estimates = {name: _interval(METRICS[name], *row) for name, row in zip(statistics, found, strict=True)}
    return Metrics(estimates=estimates, clips=len(clips), groups=len(set(groups)))


def statistic_of(
    metric: Metric, clips: Outcomes, probability_NK: NDArray[np.floating] | None = None
) -> Statistic | None:
    """The metric of the clips of each draw; None if it has no weighted form and there are no probabilities."""
    if metric.weighted is not None:
        return _of_sums(metric.weighted, clips)
    if probability_NK is None:
        return None
    return _of_rows(metric.compute, np.asarray(probability_NK, dtype=np.float64), clips.label_N)


def _interval(metric: Metric, estimate: Estimate) -> Estimate:
    return basic(estimate) if metric.grows_by_chance else estimate


def _of_sums(weighted: scores.Weighted, clips: Outcomes) -> Statistic:
    return lambda draws: weighted(clips, draws)


def _of_rows(compute: Compute, probability_NK: NDArray[np.floating], label_N: NDArray[np.int64]) -> Statistic:
    """A score computed of the rows of each draw; NaN where it is not defined, as some are of one class."""

    def score(draws: Draws) -> NDArray[np.float64]:
        if len(draws.count_RG) == 1 and (draws.count_RG == 1).all():  # the clips themselves: an error is shown
            return np.array([float(compute(probability_NK, label_N))])
        found = np.full(len(draws.count_RG), np.nan)
        for place, weight_N in enumerate(draws.weight_RN.astype(np.int64)):
            rows = np.repeat(np.arange(len(label_N)), weight_N)
            with warnings.catch_warnings(), suppress(ValueError, ArithmeticError):
                warnings.simplefilter("ignore")  # of a thousand draws, what was said of the clips themselves
                found[place] = compute(probability_NK[rows], label_N[rows])
        return found

    return score
