"""Probabilities over time, from windows that overlap or follow each other."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

SAME = 1e-6  # seconds; borders that lie closer together than this are one
BLOCK = 64  # bins per matrix product
# Bins are no longer than this, or a smoothed change between two classes would be rounded to a window's border.
BINS_PER_DEVIATION, BINS_PER_WINDOW = 4, 16
MOST_BINS = 64  # between two borders of windows, which may be an hour apart where frames are
_ERF_AT = np.linspace(-4, 4, 4097)
_ERF = np.array([math.erf(value) for value in _ERF_AT])
REACH = 4 * math.sqrt(2)  # standard deviations; there the table of the error function ends


class TimeBins(NamedTuple):
    """Probabilities over time, constant from each edge to the next.

    Attributes:
        edges: float64 `[M + 1]`, seconds, increasing.
        probabilities: float64 `[M, K]`; each row sums to 1.
    """

    edges: Floats
    probabilities: Floats


def smooth_windows(start_N: Floats, end_N: Floats, probability_NK: Floats, *, smoothing_seconds: float) -> TimeBins:
    """Probabilities over time: each moment has the mean of the windows around it.

    A window counts by how much of it lies under a Gaussian around that moment. Without smoothing, the windows that
    cover the moment count alike. All bins are covered: a gap between two windows has the probabilities of the nearer.

    Args:
        start_N, end_N: seconds; windows in the order of the video, at least one.
        smoothing_seconds: standard deviation of the Gaussian; 0 for none.
    """
    start_N, end_N = np.maximum.accumulate(start_N), np.maximum.accumulate(end_N)
    longest = math.inf
    if smoothing_seconds:
        longest = max(smoothing_seconds / BINS_PER_DEVIATION, float(np.median(end_N - start_N)) / BINS_PER_WINDOW, SAME)
    edges = _edges(start_N, end_N, longest)
    middle_M = (edges[1:] + edges[:-1]) / 2
    smoothed_MK = np.empty((len(middle_M), probability_NK.shape[1]))
    reach = REACH * smoothing_seconds
    # The windows that a bin depends on; one more on each side, of which the nearer stands in for a gap.
    first_M = np.maximum(np.searchsorted(end_N, middle_M - reach) - 1, 0)
    last_M = np.searchsorted(start_N, middle_M + reach) + 1
    for begin in range(0, len(middle_M), BLOCK):
        block = slice(begin, begin + BLOCK)
        near = slice(first_M[block][0], last_M[block][-1])
        weights = _weights(middle_M[block, None], start_N[near], end_N[near], smoothing_seconds)
        smoothed_MK[block] = weights @ probability_NK[near]
    return TimeBins(edges, smoothed_MK)


def _edges(start_N: Floats, end_N: Floats, longest: float) -> Floats:
    """The borders of all windows, and what cuts the bins between them into equal parts no longer than `longest`."""
    borders = np.union1d(start_N, end_N)
    borders = borders[np.concatenate([[True], np.diff(borders) > SAME])]
    if len(borders) == 1:
        return np.array([borders[0], borders[0] + SAME])
    borders[-1] = max(start_N[-1], end_N[-1])
    parts = np.clip(np.ceil(np.diff(borders) / longest - SAME), 1, MOST_BINS).astype(np.int64)
    share = np.arange(parts.sum()) - np.repeat(np.cumsum(parts) - parts, parts)
    steps = np.repeat(np.diff(borders) / parts, parts)
    return np.append(np.repeat(borders[:-1], parts) + share * steps, borders[-1])


def _weights(middle_M1: Floats, start_N: Floats, end_N: Floats, smoothing_seconds: float) -> Floats:
    """`[M, N]`; each row sums to 1."""
    if smoothing_seconds:
        scale = smoothing_seconds * math.sqrt(2)
        weights = _erf((end_N - middle_M1) / scale) - _erf((start_N - middle_M1) / scale)
    else:
        weights = ((start_N <= middle_M1) & (middle_M1 < end_N)).astype(float)
    totals_M1 = weights.sum(axis=1, keepdims=True)
    uncovered = totals_M1[:, 0] < SAME
    if uncovered.any():
        distance = np.abs(middle_M1[uncovered] - (start_N + end_N) / 2)
        weights[uncovered] = distance == distance.min(axis=1, keepdims=True)
        totals_M1 = weights.sum(axis=1, keepdims=True)
    return weights / totals_M1


def _erf(values: Floats) -> Floats:
    return np.interp(values, _ERF_AT, _ERF)
