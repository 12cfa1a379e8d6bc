"""Scores of all clips, and of all draws of a bootstrap at once: each takes outcomes and draws and returns `[R]`."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from action_recognition.evaluation.intervals import Draws
from action_recognition.evaluation.outcomes import Outcomes

Floats = NDArray[np.float64]
# R scores, one of each draw.
Weighted = Callable[[Outcomes, Draws], Floats]
# As in scikit-learn: a label of probability 0 counts as this, and costs 36.04 in place of infinity.
SMALLEST_PROBABILITY = float(np.finfo(np.float64).eps)
# Of equal width, as in Guo et al. 2017.
BINS = 15
BIN_EDGES = np.linspace(0, 1, BINS + 1)


def top_k_accuracy(k: int) -> Weighted:
    """The share of clips whose label is among the `k` most probable classes; 1 where there are no more than `k`."""
    return lambda clips, draws: draws.means(clips.rank_N < k)


class ClassCounts(NamedTuple):
    """`[R, K]`: clips of each class, clips that are given to it, and clips of the first kind among the second."""

    label_RK: Floats
    predicted_RK: Floats
    correct_RK: Floats

    @classmethod
    def of(cls, clips: Outcomes, draws: Draws) -> "ClassCounts":
        """The counts of each draw, which are summed up once for all figures that ask for them."""
        if clips not in draws.kept:
            draws.kept[clips] = cls(
                draws.sums_by(clips.label_N, clips.classes),
                draws.sums_by(clips.predicted_N, clips.classes),
                draws.sums_by(clips.label_N, clips.classes, clips.correct_N),
            )
        counts: ClassCounts = draws.kept[clips]
        return counts

    def precision(self, *, otherwise: float = 0.0) -> Floats:
        """`[R, K]`; `otherwise` where nothing is predicted."""
        return ratio(self.correct_RK, self.predicted_RK, otherwise=otherwise)

    def recall(self, *, otherwise: float = 0.0) -> Floats:
        """`[R, K]`, a class's accuracy; `otherwise` where there are no clips."""
        return ratio(self.correct_RK, self.label_RK, otherwise=otherwise)

    def f1(self, *, otherwise: float = 0.0) -> Floats:
        """`[R, K]`; `otherwise` where there is neither a clip nor a prediction."""
        return ratio(2 * self.correct_RK, self.label_RK + self.predicted_RK, otherwise=otherwise)


def mean_class_accuracy(clips: Outcomes, draws: Draws) -> Floats:
    """Top-1 of each class that has clips, averaged over these classes, so that frequent ones weigh no more."""
    counts = ClassCounts.of(clips, draws)
    return ratio(counts.recall().sum(axis=1), (counts.label_RK > 0).sum(axis=1))


def macro(score_of_class: Callable[[ClassCounts], Floats]) -> Weighted:
    """The mean over the classes that have clips or are predicted, as scikit-learn's `average="macro"`."""

    def score(clips: Outcomes, draws: Draws) -> Floats:
        counts = ClassCounts.of(clips, draws)
        return ratio(score_of_class(counts).sum(axis=1), (counts.label_RK + counts.predicted_RK > 0).sum(axis=1))

    return score


def weighted(score_of_class: Callable[[ClassCounts], Floats]) -> Weighted:
    """The mean over the classes, weighted by their clips, as scikit-learn's `average="weighted"`."""

    def score(clips: Outcomes, draws: Draws) -> Floats:
        counts = ClassCounts.of(clips, draws)
        return ratio((score_of_class(counts) * counts.label_RK).sum(axis=1), counts.label_RK.sum(axis=1))

    return score


def surprise(clips: Outcomes) -> Floats:
    """`[N]`: the negative natural logarithm of the label's probability, which counts as `SMALLEST_PROBABILITY` or more.

    A model that is sure and wrong would otherwise have an infinite log loss, whatever its other clips are.
    """
    return np.abs(np.log(np.clip(clips.label_probability_N, SMALLEST_PROBABILITY, 1)))  # not -0.0


def log_loss(clips: Outcomes, draws: Draws) -> Floats:
    """The mean of `surprise`, as scikit-learn's `log_loss` of float64 probabilities."""
    return draws.means(surprise(clips))


def brier(clips: Outcomes, draws: Draws) -> Floats:
    """The mean squared distance between probabilities and truth, 0 to 2 (Brier 1950)."""
    return draws.means(clips.brier_N)


def bin_numbers(confidence_N: Floats) -> NDArray[np.int64]:
    """`[N]`: the bin of each confidence. A bin holds what is above its lower edge and up to its upper one."""
    return np.asarray(np.searchsorted(BIN_EDGES[1:-1], confidence_N), dtype=np.int64)


def calibration_error(clips: Outcomes, draws: Draws) -> Floats:
    """Expected calibration error (Guo et al. 2017): how far accuracy and mean confidence of a bin lie apart.

    The mean over 15 bins of equal width, weighted by their clips.
    """
    gap_RM = draws.sums_by(bin_numbers(clips.confidence_N), BINS, clips.correct_N - clips.confidence_N)
    return np.asarray(np.abs(gap_RM).sum(axis=1) / draws.clips_R)


def ratio(part: NDArray[np.generic], whole: NDArray[np.generic], *, otherwise: float = 0.0) -> Floats:
    """`part / whole`; `otherwise` where `whole` is 0."""
    result: Floats = np.divide(part, whole, out=np.full(np.shape(part), otherwise), where=np.asarray(whole) > 0)
    return result
