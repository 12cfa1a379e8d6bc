"""Which class each bin of time has, so that no segment is shorter than a given time."""

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from action_recognition.inference.temporal.smoothing import SAME, Floats, TimeBins

NONE = -1  # the label of a bin that shows none of the classes
TIE = 1e-9  # seconds times probability; a labelling must be better by this for a new run to begin


def label_bins(bins: TimeBins, *, threshold: float, min_seconds: float) -> NDArray[np.int64]:
    """`[M]`: the class of each bin, or `NONE`.

    1. Of all ways to label the video in which every run of one class lasts `min_seconds`, the one with the largest mean
       probability is taken. Classes that are the likeliest nowhere are not considered.
    2. Where the class of a bin is less probable than `threshold` for at least `min_seconds`, it becomes `NONE`.
    3. So does what that leaves of a run, if it is shorter than `min_seconds`.

    A video shorter than `min_seconds` has one label. Without `min_seconds`, each bin has its likeliest class, or `NONE`
    where this is less probable than `threshold`.
    """
    min_seconds = min(min_seconds, float(bins.edges[-1] - bins.edges[0])) - SAME
    label_M = _likeliest(bins, min_seconds)
    is_unlikely_M = bins.probabilities[np.arange(len(label_M)), label_M] < threshold
    for begin, end in _runs(is_unlikely_M):
        if is_unlikely_M[begin] and bins.edges[end] - bins.edges[begin] >= min_seconds:
            label_M[begin:end] = NONE
    for begin, end in _runs(label_M):
        if bins.edges[end] - bins.edges[begin] < min_seconds:
            label_M[begin:end] = NONE
    return label_M


def _runs(value_M: NDArray[Any]) -> list[tuple[int, int]]:
    """First bin, and the one after the last, of each run of equal values."""
    borders = [0, *(np.flatnonzero(value_M[1:] != value_M[:-1]) + 1).tolist(), len(value_M)]
    return list(pairwise(borders))


def _likeliest(bins: TimeBins, min_seconds: float) -> NDArray[np.int64]:
    best_M = bins.probabilities.argmax(axis=1)
    if all(bins.edges[end] - bins.edges[begin] >= min_seconds for begin, end in _runs(best_M)):
        return best_M
    classes_C = np.unique(best_M)
    gain_MC = bins.probabilities[:, classes_C] * np.diff(bins.edges)[:, None]
    total_EC = np.pad(np.cumsum(gain_MC, axis=0), [(1, 0), (0, 0)])
    return classes_C[_best_runs(bins.edges, total_EC, min_seconds)]


def _best_runs(edges: Floats, total_EC: Floats, min_seconds: float) -> NDArray[np.int64]:
    """`[M]` column numbers of the best labelling, by dynamic programming.

    The best labelling up to an edge either goes on with the last run of the one up to the edge before, or adds a run of
    `min_seconds` to the best one up to where that begins.

    Args:
        total_EC: the sum of each class's probability times seconds up to each edge.
    """
    bins = len(edges) - 1
    # The last edge at which a run can begin that ends at an edge; -1 where there is none.
    begin_E = np.searchsorted(edges, edges - min_seconds, side="right") - 1
    # `ahead` is the best total that ends at an edge with each class, less the class's own total up to there: it does
    # not change while a run goes on.
    ahead_C = np.full(total_EC.shape[1], -np.inf)
    run_start_C = np.zeros(total_EC.shape[1], dtype=np.int64)
    best_E = np.zeros(bins + 1)
    label_E, start_E = np.zeros((2, bins + 1), dtype=np.int64)
    begin = -1
    for edge in range(1, bins + 1):
        while begin < begin_E[edge]:
            begin += 1
            new_C = best_E[begin] - total_EC[begin]
            better_C = new_C > ahead_C + TIE
            ahead_C[better_C] = new_C[better_C]
            run_start_C[better_C] = begin
        reached_C = ahead_C + total_EC[edge]
        label = reached_C.argmax()
        best_E[edge], label_E[edge], start_E[edge] = reached_C[label], label, run_start_C[label]
    label_M = np.empty(bins, dtype=np.int64)
    end = bins
    while end > 0:
        label_M[start_E[end] : end] = label_E[end]
        end = start_E[end]
    return label_M
