"""The table of metrics, which all code reads that computes, shows, records or compares scores.

To add a metric, register it; nothing else has to change:

    register_metric(Metric(name="top2", label="top-2", compute=top_k_accuracy(2)))
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from action_recognition.evaluation.intervals import FEW_GROUPS, bootstrap_interval

# Probabilities `[N, K]` and labels `[N]` of N videos; returns the score.
Compute = Callable[[NDArray[np.floating], NDArray[np.int64]], float]
# The metric with an interval, by which checkpoints and trials are chosen.
PRIMARY = "top1"


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One metric.

    Attributes:
        name: the key in `metrics.json`, in MLflow (`test_<name>`) and of `compare.metric`: lower case, digits and `_`.
        label: as shown in tables and plots.
        compute: from probabilities `[N, K]` and labels `[N]`.
        higher_is_better: False for errors and losses.
        is_share: a share of 1, shown in percent; any other number is shown as it is.
        compared: whether `compare-runs` has a column for it.
    """

    name: str
    label: str
    compute: Compute
    higher_is_better: bool = True
    is_share: bool = True
    compared: bool = True

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
    order_NK = np.argsort(-probability_NK, axis=1, kind="stable")[:, :k]
    hits: NDArray[np.bool_] = (order_NK == label_N[:, None]).any(axis=1)
    return hits


def top_k_accuracy(k: int) -> Compute:
    """The share of videos whose label is among the `k` most probable classes; 1 where there are no more than `k`."""
    return lambda probability_NK, label_N: float(top_k_hits(probability_NK, label_N, k=k).mean())


def mean_class_accuracy(probability_NK: NDArray[np.floating], label_N: NDArray[np.int64]) -> float:
    """Top-1 of each class that occurs, averaged over these classes, so that frequent ones weigh no more."""
    correct_N = probability_NK.argmax(axis=1) == label_N
    return float(np.mean([correct_N[label_N == label].mean() for label in np.unique(label_N)]))


# By name, in the order of tables.
METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric(name=PRIMARY, label="top-1", compute=top_k_accuracy(1)),
        Metric(name="top3", label="top-3", compute=top_k_accuracy(3)),
        Metric(name="top5", label="top-5", compute=top_k_accuracy(5), compared=False),
        Metric(name="mean_class_accuracy", label="mean class accuracy", compute=mean_class_accuracy, compared=False),
    )
}


def register_metric(metric: Metric) -> None:
    """Add a metric to the table; call it before the evaluation that should compute it.

    Raises:
        ValueError: for a name that is taken or cannot be a key.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]*", metric.name):
        raise ValueError(f"metric {metric.name!r}: expected lower-case letters, digits and _")
    if metric.name in METRICS or metric.name in Metrics.__dataclass_fields__:
        raise ValueError(f"metric {metric.name}: there is one of this name already")
    METRICS[metric.name] = metric


@dataclass(frozen=True, kw_only=True)
class Metrics:
    """Scores of `clips` videos from `groups` source videos.

    Attributes:
        values: of every registered metric, by name.
        top1_low, top1_high: bounds of the 95 % interval of top-1.
    """

    values: Mapping[str, float]
    clips: int
    groups: int
    top1_low: float
    top1_high: float

    @property
    def top1(self) -> float:
        return self.values[PRIMARY]

    def text(self, name: str) -> str:
        return METRICS[name].text(self.values[name])

    @property
    def interval(self) -> str:
        """Of top-1, in percent: `52.0 - 63.9`."""
        return f"{100 * self.top1_low:.1f} - {100 * self.top1_high:.1f}"

    @property
    def caution(self) -> str:
        """One line where the interval rests on too few source videos; otherwise empty."""
        if self.groups >= FEW_GROUPS:
            return ""
        sources = f"{self.groups} source{'s' if self.groups > 1 else ''}"
        few = f"with fewer than {FEW_GROUPS} a bootstrap interval is too narrow"
        return f"caution: the clips come from only {sources}; {few}"

    def flat(self) -> dict[str, float | int]:
        """All numbers by the keys of `metrics.json`."""
        interval = {"top1_low": self.top1_low, "top1_high": self.top1_high}
        return {**self.values, "clips": self.clips, "groups": self.groups, **interval}


def compute_metrics(
    probability_NK: NDArray[np.floating], label_N: NDArray[np.int64], groups: Sequence[str], *, resamples: int
) -> Metrics:
    """Every registered metric of a set of videos, and the interval of top-1.

    Args:
        groups: the source video of each video, see `bootstrap_interval`.
        resamples: draws of the bootstrap.
    """
    low, high = bootstrap_interval(top_k_hits(probability_NK, label_N, k=1), groups, resamples=resamples)
    return Metrics(
        values={name: float(metric.compute(probability_NK, label_N)) for name, metric in METRICS.items()},
        clips=len(label_N),
        groups=len(set(groups)),
        top1_low=low,
        top1_high=high,
    )
