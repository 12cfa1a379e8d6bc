"""Accuracy over videos, and how far it can be trusted."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# The bootstrap over groups covers less than it says with few of them (Cameron, Gelbach and Miller 2008).
FEW_GROUPS = 10


@dataclass(frozen=True, kw_only=True)
class Metrics:
    """Shares of 1 over `clips` test videos of `groups` sources; `top1_low` and `top1_high` bound a 95 % interval."""

    top1: float
    top3: float
    top5: float
    mean_class_accuracy: float
    clips: int
    groups: int
    top1_low: float
    top1_high: float

    @property
    def caution(self) -> str:
        """One line where the interval rests on too few sources; else empty."""
        if self.groups >= FEW_GROUPS:
            return ""
        return (
            f"caution: the clips come from {self.groups} source{'s' if self.groups > 1 else ''} only; with fewer than "
            f"{FEW_GROUPS} a bootstrap interval is too narrow"
        )


def top_k_hits(probability_NK: NDArray[np.floating], label_N: NDArray[np.int64], *, k: int) -> NDArray[np.bool_]:
    """`[N]`: whether the label is among the `k` most probable classes. Ties go to the lower class number."""
    order_NK = np.argsort(-probability_NK, axis=1, kind="stable")[:, :k]
    hits: NDArray[np.bool_] = (order_NK == label_N[:, None]).any(axis=1)
    return hits


def mean_class_accuracy(predicted_N: NDArray[np.int64], label_N: NDArray[np.int64]) -> float:
    """Top-1 of each class that occurs, averaged over these classes, so that frequent ones weigh no more."""
    correct = predicted_N == label_N
    return float(np.mean([correct[label_N == label].mean() for label in np.unique(label_N)]))


def bootstrap_interval(
    hits_N: NDArray[np.bool_], groups: Sequence[str], *, resamples: int, seed: int = 0, level: float = 0.95
) -> tuple[float, float]:
    """Percentile interval of the mean, resampling whole groups.

    Clips of one source video look alike and are right or wrong together; resampling single clips would claim more
    certainty than there is (Cameron, Gelbach and Miller 2008 on the cluster bootstrap).

    Args:
        hits_N: right or wrong, one a clip.
        groups: the source video of each clip.
        resamples: number of draws.
        level: mass between the two bounds.
    """
    _, group_N = np.unique(np.asarray(groups), return_inverse=True)
    hits_G = np.bincount(group_N, weights=hits_N)
    size_G = np.bincount(group_N)
    drawn_RG = np.random.default_rng(seed).integers(0, len(size_G), size=(resamples, len(size_G)))
    means_R = hits_G[drawn_RG].sum(axis=1) / size_G[drawn_RG].sum(axis=1)
    low, high = np.quantile(means_R, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def compute_metrics(
    probability_NK: NDArray[np.floating], label_N: NDArray[np.int64], groups: Sequence[str], *, resamples: int
) -> Metrics:
    """All metrics of a set of videos; top-3 and top-5 are top-K where there are fewer classes."""
    hits_N = top_k_hits(probability_NK, label_N, k=1)
    low, high = bootstrap_interval(hits_N, groups, resamples=resamples)
    return Metrics(
        top1=float(hits_N.mean()),
        top3=float(top_k_hits(probability_NK, label_N, k=3).mean()),
        top5=float(top_k_hits(probability_NK, label_N, k=5).mean()),
        mean_class_accuracy=mean_class_accuracy(probability_NK.argmax(axis=1), label_N),
        clips=len(label_N),
        groups=len(set(groups)),
        top1_low=low,
        top1_high=high,
    )
