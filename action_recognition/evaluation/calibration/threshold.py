"""Choosing the probability below which the answer is none of the classes."""

import numpy as np
from numpy.typing import NDArray

from action_recognition.evaluation.calibration.temperature import FEW_CLIPS

UNSURE = 0.5  # the best threshold where probabilities are right, and an error costs as much as no answer (Chow 1970)


def choose_threshold(
    confidence_N: NDArray[np.floating], correct_N: NDArray[np.bool_], target_risk: float | None = None
) -> float:
    """The least probability with which the likeliest class is the answer; below it, the answer is none of the classes.

    Without `target_risk`, right answers given and wrong ones withheld are as many as can be. Of thresholds that are
    equally good, the one nearest to `UNSURE` is taken, because these clips do not tell them apart. With `target_risk`,
    it is the lowest threshold at which at most this share of the answers is wrong (selective classification, Geifman
    and El-Yaniv 2017, arXiv:1705.08500). Their bound, which holds the risk on new clips with a chosen probability, is
    not used, because it takes independent clips, and clips of one source video are not: the risk on new clips can be
    higher. All clips show one of the classes, so nothing is said here about videos that show something else.

    Args:
        confidence_N: of N videos, the probability of the likeliest class.
        correct_N: whether it is the right one.
        target_risk: a share of 1.

    Returns:
        0.0 for fewer than `FEW_CLIPS` videos. Between two probabilities that occur, the middle, or `UNSURE` if it lies
        between them.
    """
    if len(confidence_N) < FEW_CLIPS:
        return 0.0
    values_M, place_N = np.unique(np.asarray(confidence_N, dtype=np.float64), return_inverse=True)
    right_M = np.bincount(place_N, weights=correct_N)
    wrong_M = np.bincount(place_N, weights=~np.asarray(correct_N, dtype=np.bool_))
    # Threshold m answers the clips from value m on; the last one answers none.
    given_right_T = right_M.sum() - np.append(0, np.cumsum(right_M))
    given_wrong_T = wrong_M.sum() - np.append(0, np.cumsum(wrong_M))
    threshold_T = np.array([_between(low, high) for low, high in zip([0, *values_M], [*values_M, 1], strict=True)])
    if values_M[-1] >= 1:  # a certain answer is always given
        given_right_T, given_wrong_T, threshold_T = given_right_T[:-1], given_wrong_T[:-1], threshold_T[:-1]
    if target_risk is not None:
        allowed_T = given_wrong_T <= target_risk * (given_right_T + given_wrong_T)
        first = int(np.argmax(allowed_T)) if allowed_T.any() else len(threshold_T) - 1
        return 0.0 if first == 0 else float(threshold_T[first])
    gain_T = given_right_T - given_wrong_T
    best_T = np.flatnonzero(gain_T == gain_T.max())
    return float(min(threshold_T[best_T], key=lambda threshold: abs(threshold - UNSURE)))


def _between(low: float, high: float) -> float:
    """Above `low` and at most `high`."""
    return UNSURE if low < UNSURE <= high else (low + high) / 2
