"""Which class each bin of time has, so that no segment is shorter than a given time."""

import numpy as np
from numpy.typing import NDArray

from action_recognition.inference.smoothing import SAME, Floats, TimeBins

NONE = -1  # the label of a bin that shows none of the classes
TIE = 1e-9  # seconds times probability; a labelling must be better by this for a new run to begin


def label_bins(bins: TimeBins, *, threshold: float, min_seconds: float) -> NDArray[np.int64]:
    """`[M]`: the class of each bin, or `NONE`.

    "None of these" counts as a class of probability `threshold`. Of all labellings in which every run of one label
    lasts `min_seconds` (or all of the video), the one with the largest mean probability over time is returned. Without
    `min_seconds`, that is each bin's likeliest class, or `NONE` where this is less probable than `threshold`. With it,
    a shorter run goes to its neighbours or, where that is likelier, lasts longer; classes that are the likeliest nowhere
    are not considered.

    The best labelling is found by dynamic programming: the best that ends at an edge extends the best one that ends at
    the edge before it, or adds a run of `min_seconds` to the best one that ends so much earlier.
    """
    best_M = bins.probabilities.argmax(axis=1)
    probability_M = bins.probabilities[np.arange(len(best_M)), best_M]
    label_M = np.where(probability_M >= threshold, best_M, NONE)
    borders = np.flatnonzero(np.diff(label_M)) + 1
    if not borders.size or np.diff(bins.edges[[0, *borders, -1]]).min() >= min_seconds - SAME:
        return label_M
    classes_C = np.unique(label_M[label_M != NONE])
    score_MC = np.pad(bins.probabilities[:, classes_C], [(0, 0), (0, 1)], constant_values=threshold)
    total_EC = np.pad(np.cumsum(score_MC * np.diff(bins.edges)[:, None], axis=0), [(1, 0), (0, 0)])
    runs = _best_runs(bins.edges, total_EC, min_seconds)
    return np.append(classes_C, NONE)[runs]


def _best_runs(edges: Floats, total_EC: Floats, min_seconds: float) -> NDArray[np.int64]:
    """`[M]` column numbers of the best labelling.

    Args:
        total_EC: the sum of each label's scores up to each edge.
    """
    bins = len(edges) - 1
    # The last edge at which a run can begin that ends at an edge; -1 where there is none.
    begin_E = np.searchsorted(edges, edges - min(min_seconds, edges[-1] - edges[0]) + SAME, side="right") - 1
    # `ahead` is the best total that ends at the edge with each label, less the label's own total so far: it does not
    # change while a run goes on.
    ahead_C = np.full(total_EC.shape[1], -np.inf)
    run_start_C = np.zeros(total_EC.shape[1], dtype=np.int64)
    best_E, label_E, start_E = (
        np.zeros(bins + 1),
        np.zeros(bins + 1, dtype=np.int64),
        np.zeros(bins + 1, dtype=np.int64),
    )
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
