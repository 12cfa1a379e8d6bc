"""Probabilities over time, against sums over single moments."""

import math

import numpy as np
import pytest

from action_recognition.inference.temporal.smoothing import smooth_windows


def some_windows(count: int, *, hop: float, length: float = 1.0, classes: int = 3) -> tuple[np.ndarray, ...]:
    start_N = np.arange(count) * hop
    probability_NK = np.random.default_rng(count).dirichlet(np.ones(classes), size=count)
    return start_N, start_N + length, probability_NK


def by_brute_force(moment: float, start_N: np.ndarray, end_N: np.ndarray, probability_NK: np.ndarray, sigma: float):
    """The Gaussian is summed in small steps over each window."""
    weights = []
    for start, end in zip(start_N, end_N, strict=True):
        if sigma == 0:
            weights.append(float(start <= moment < end))
            continue
        steps = np.linspace(start, end, 2001)
        middles = (steps[1:] + steps[:-1]) / 2
        weights.append(sum(math.exp(-(((middle - moment) / sigma) ** 2) / 2) for middle in middles))
    return np.array(weights) @ probability_NK / sum(weights)


@pytest.mark.parametrize("hop", [1.0, 0.7, 0.25])
@pytest.mark.parametrize("sigma", [0.0, 0.3, 2.0])
def test_mean_of_the_windows_around_each_moment(hop: float, sigma: float) -> None:
    windows = some_windows(9, hop=hop)
    bins = smooth_windows(*windows, smoothing_seconds=sigma)
    middles = (bins.edges[1:] + bins.edges[:-1]) / 2
    for number in range(0, len(middles), 5):
        expected = by_brute_force(middles[number], *windows, sigma)
        np.testing.assert_allclose(bins.probabilities[number], expected, atol=1e-5)


@pytest.mark.parametrize("sigma", [0.0, 0.5])
def test_windows_borders_are_edges_and_bins_cover_everything(sigma: float) -> None:
    start_N, end_N, probability_NK = some_windows(500, hop=8 / 30, length=32 / 30)
    bins = smooth_windows(start_N, end_N, probability_NK, smoothing_seconds=sigma)
    assert (bins.edges[0], bins.edges[-1]) == (0, end_N[-1])
    assert np.diff(bins.edges).min() > 1e-6
    assert np.abs(bins.edges[:, None] - start_N).min(axis=0).max() < 1e-5
    np.testing.assert_allclose(bins.probabilities.sum(axis=1), 1)


def test_without_overlap_and_smoothing_the_windows_stay_as_they_are() -> None:
    start_N, end_N, probability_NK = some_windows(5, hop=1.0)
    bins = smooth_windows(start_N, end_N, probability_NK, smoothing_seconds=0.0)
    np.testing.assert_array_equal(bins.edges, np.arange(6))
    np.testing.assert_array_equal(bins.probabilities, probability_NK)


@pytest.mark.parametrize("sigma", [0.0, 1e-9, 0.1, 1e6])
@pytest.mark.parametrize(
    ("start", "end"),
    [
        ([0, 5, 9], [1, 6, 10]),  # gaps
        ([0, 0, 0], [1, 1, 1]),
        ([0, 0, 0], [0, 0, 0]),
        ([0, 2, 1], [3, 2.5, 4]),  # a clock that ran back
        ([0, 0.3333333333, 0.6666666667], [0.3333333334, 0.6666666666, 1]),  # nearly the same borders
        ([0], [1e-9]),
        ([0, 1, 1e6], [1, 2, 1e6 + 1]),
    ],
)
def test_every_moment_has_probabilities(start: list[float], end: list[float], sigma: float) -> None:
    probability_NK = np.random.default_rng(0).dirichlet(np.ones(4), size=len(start))
    bins = smooth_windows(np.array(start, float), np.array(end, float), probability_NK, smoothing_seconds=sigma)
    assert len(bins.edges) == len(bins.probabilities) + 1 < 5000
    assert (np.diff(bins.edges) > 0).all()
    np.testing.assert_allclose(bins.probabilities.sum(axis=1), 1)
    assert (bins.probabilities >= 0).all()
