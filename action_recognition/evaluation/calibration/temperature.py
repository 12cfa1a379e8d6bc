"""Fitting the temperature at which probabilities say how often the model is right."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq, minimize_scalar

from action_recognition.utils.finite import check_logits
from action_recognition.utils.probabilities import softmax

FEW_CLIPS = 20  # with fewer, the fit would say more about these clips than about the model
LEAST_TEMPERATURE, MOST_TEMPERATURE = 0.05, 20.0
GRID = 25  # temperatures that are tried before the search; the loss of averaged views can have several minima
PART = 256  # videos whose probabilities are in memory at a time


def fit_temperature(logits_NVK: NDArray[np.floating], label_N: NDArray[np.int64]) -> float:
    """The temperature with the least log loss of the probabilities that a prediction gives: averaged over views.

    Temperature scaling is that of Guo et al. 2017 (arXiv:1706.04599), who have one view. The search is bounded to
    `LEAST_TEMPERATURE` - `MOST_TEMPERATURE`. Where all N labels are right, the loss only falls with the temperature,
    towards a certainty that N clips do not prove. The mean confidence then is at most (N + 1) / (N + 2), Laplace's
    estimate of how often the model is right.

    Args:
        logits_NVK: of N videos with V views each; V is 1 where views are judged alone.
        label_N: the class of each video.

    Returns:
        1.0 for fewer than `FEW_CLIPS` videos, and for a single class, whose probability is 1 at any temperature.

    Raises:
        NumericsError: for logits that are infinite or NaN.
    """
    check_logits(logits_NVK, origin="validation clips")
    clips, _, classes = logits_NVK.shape
    if clips < FEW_CLIPS or classes < 2:
        return 1.0
    low, high = np.log(LEAST_TEMPERATURE), np.log(MOST_TEMPERATURE)
    grid = np.linspace(low, high, GRID)
    best = int(np.argmin([log_loss(logits_NVK, label_N, np.exp(place)) for place in grid]))
    found = minimize_scalar(
        lambda place: log_loss(logits_NVK, label_N, np.exp(place)),
        bounds=(grid[max(0, best - 1)], grid[min(GRID - 1, best + 1)]),
        method="bounded",
        options={"xatol": 1e-5},
    )
    temperature = float(np.exp(found.x))
    if (mean_probabilities(logits_NVK, temperature).argmax(axis=1) == label_N).all():
        return max(temperature, _modest_temperature(logits_NVK, (clips + 1) / (clips + 2)))
    return temperature


def mean_probabilities(logits_NVK: NDArray[np.floating], temperature: float) -> NDArray[np.float64]:
    """`[N, K]`, averaged over views."""
    parts = [logits_NVK[first : first + PART] for first in range(0, len(logits_NVK), PART)]
    return np.concatenate([softmax(part_NVK, temperature).mean(axis=1) for part_NVK in parts])


def temperature_interval(
    logits_NVK: NDArray[np.floating], label_N: NDArray[np.int64], groups: Sequence[str], temperature: float
) -> tuple[float, float] | None:
    """The 95 % interval of a fitted temperature, from the spread of the loss's slope over source videos.

    That is the cluster-robust ("sandwich") variance of Liang and Zeger 1986, on the logarithm of the temperature.

    Args:
        groups: the source video of each video.

    Returns:
        None where the fit says nothing about it: a single source, or a loss without a minimum there.
    """
    _, group_N = np.unique(np.asarray(groups), return_inverse=True)
    sources, step = int(group_N.max()) + 1, 0.01
    below_N, there_N, above_N = (
        log_losses(logits_NVK, label_N, temperature * np.exp(place)) for place in (-step, 0.0, step)
    )
    curvature = float((below_N - 2 * there_N + above_N).sum()) / step**2
    if sources < 2 or curvature <= 0:
        return None
    slope_G = np.bincount(group_N, weights=(above_N - below_N) / (2 * step))
    deviation = np.sqrt(sources / (sources - 1) * (slope_G**2).sum()) / curvature
    if deviation > np.log(MOST_TEMPERATURE):
        return None
    return temperature * float(np.exp(-1.96 * deviation)), temperature * float(np.exp(1.96 * deviation))


def log_loss(logits_NVK: NDArray[np.floating], label_N: NDArray[np.int64], temperature: float) -> float:
    """The mean of `log_losses`."""
    return float(log_losses(logits_NVK, label_N, temperature).mean())


def log_losses(logits_NVK: NDArray[np.floating], label_N: NDArray[np.int64], temperature: float) -> NDArray[np.float64]:
    """`[N]`: the negative logarithm of the label's probability, averaged over views; finite for any finite logits."""
    parts = []
    for first in range(0, len(label_N), PART):
        wide_NVK = logits_NVK[first : first + PART].astype(np.float64) / temperature
        largest_NV1 = wide_NVK.max(axis=2, keepdims=True)
        norm_NV = largest_NV1[..., 0] + np.log(np.exp(wide_NVK - largest_NV1).sum(axis=2))
        label_N11 = label_N[first : first + PART, None, None]
        log_share_NV = np.take_along_axis(wide_NVK, label_N11, axis=2)[..., 0] - norm_NV
        parts.append(np.log(logits_NVK.shape[1]) - np.logaddexp.reduce(log_share_NV, axis=1))
    return np.concatenate(parts)


def _modest_temperature(logits_NVK: NDArray[np.floating], confidence: float) -> float:
    """Where the mean probability of the likeliest class is `confidence`, within the bounds; it falls with rising T."""

    def above(place: float) -> float:
        return float(mean_probabilities(logits_NVK, np.exp(place)).max(axis=1).mean()) - confidence

    low, high = np.log(LEAST_TEMPERATURE), np.log(MOST_TEMPERATURE)
    if above(low) <= 0:
        return LEAST_TEMPERATURE
    return MOST_TEMPERATURE if above(high) >= 0 else float(np.exp(brentq(above, low, high, xtol=1e-5)))
