"""Bootstrap intervals of scores, over source videos."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

# With fewer groups than this, the interval is too narrow (Cameron, Gelbach and Miller 2008).
FEW_GROUPS = 10


class Estimate(NamedTuple):
    """A figure of the test clips, and the bounds of its 95 % interval."""

    value: float
    low: float
    high: float


def bootstrap_interval(
    values_N: NDArray[np.bool_] | NDArray[np.floating],
    groups: Sequence[str],
    *,
    resamples: int,
    seed: int = 0,
    level: float = 0.95,
) -> tuple[float, float]:
    """Percentile interval of the mean, resampling whole groups.

    Clips of one source video look alike and are right or wrong together. Resampling single clips would claim more
    certainty than there is (Cameron, Gelbach and Miller 2008 on the cluster bootstrap).

    Args:
        values_N: one value per clip, such as whether it was labelled correctly.
        groups: the source video of each clip.
        resamples: number of draws.
        level: mass between the two bounds.

    Returns:
        The lower and the upper bound.
    """
    _, group_N = np.unique(np.asarray(groups), return_inverse=True)
    sum_G = np.bincount(group_N, weights=values_N)
    size_G = np.bincount(group_N)
    drawn_RG = np.random.default_rng(seed).integers(0, len(size_G), size=(resamples, len(size_G)))
    means_R = sum_G[drawn_RG].sum(axis=1) / size_G[drawn_RG].sum(axis=1)
    low, high = np.quantile(means_R, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
