"""Bootstrap intervals of scores, over source videos."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

Floats = NDArray[np.float64]
# With fewer groups than this, the interval is too narrow (Cameron, Gelbach and Miller 2008).
FEW_GROUPS = 10
LEVEL = 0.95
# Values of the largest array that a block of draws makes; 16 MB as float64.
BLOCK_VALUES = 1 << 21


class Estimate(NamedTuple):
    """A figure of the test clips, and the bounds of its 95 % interval."""

    value: float
    low: float
    high: float


def caution_of(estimate: Estimate | None, sources: int) -> str:
    """Why an interval of a share says less than it seems to, in a few words; otherwise empty.

    A bootstrap draws from what was seen: where all clips are right, or all wrong, so are all draws.
    """
    reasons = [f"{sources} source{'s' if sources != 1 else ''}"] if sources < FEW_GROUPS else []
    if estimate is not None and estimate.low == estimate.high:
        reasons.append("no spread")
    return ", ".join(reasons)


class Draws:
    """R draws of source videos with replacement, and sums over the clips that come with them.

    A source video that is drawn twice counts twice, with all its clips. Figures that are made of sums over clips need
    no copy of a row, and cost no more with many clips of a source than with one.

    Args:
        group_N: the number of each clip's source video.
        count_RG: how often each draw takes each source video.
    """

    def __init__(self, group_N: NDArray[np.int64], count_RG: Floats) -> None:
        self.group_N, self.count_RG = group_N, count_RG
        self.clips_R = self.sums(np.ones(len(group_N)))
        self.kept: dict[object, Any] = {}  # sums that several figures are made of, by what they are sums of

    def sums(self, value_N: NDArray[np.generic]) -> Floats:
        """`[R]` sums of `value_N` over the clips of each draw."""
        sum_G = np.bincount(self.group_N, weights=value_N.astype(np.float64), minlength=self.count_RG.shape[1])
        return np.asarray(self.count_RG @ sum_G)

    def means(self, value_N: NDArray[np.generic]) -> Floats:
        """`[R]`, as `sums` over the number of clips."""
        return self.sums(value_N) / self.clips_R

    def sums_by(self, number_N: NDArray[np.int64], size: int, value_N: NDArray[np.generic] | None = None) -> Floats:
        """`[R, size]`: the sums of `value_N` (None: how many clips) for each number 0 to `size` - 1 in `number_N`."""
        value_N = np.ones(len(number_N)) if value_N is None else value_N.astype(np.float64)
        shape = (self.count_RG.shape[1], size)
        return np.asarray(self.count_RG @ csr_array((value_N, (self.group_N, number_N)), shape=shape))

    @property
    def weight_RN(self) -> Floats:
        """How often each draw takes each clip."""
        return self.count_RG[:, self.group_N]


# From draws to the figures of each: `[R]`, or `[R, M]` for M of them.
Statistic = Callable[[Draws], Floats]


def numbered(groups: Sequence[str]) -> tuple[NDArray[np.int64], int]:
    """The number of each clip's group, and how many groups there are."""
    numbers = {name: number for number, name in enumerate(sorted(set(groups)))}
    return np.array([numbers[name] for name in groups], dtype=np.int64), len(numbers)


def draw_blocks(groups: int, *, resamples: int, width: int = 1, seed: int = 0) -> Iterator[Floats]:
    """`[r, G]` counts of each of G groups in r draws of G, a block at a time; `resamples` draws in all.

    They depend on `seed` alone, not on the blocks.

    Args:
        width: the most values that anything made of one draw has; blocks are as long as memory allows.
    """
    generator = np.random.default_rng(seed)
    most = max(1, BLOCK_VALUES // max(width, groups))
    for first in range(0, resamples, most):
        rows = min(most, resamples - first)
        drawn_RG = generator.integers(0, groups, size=(rows, groups))
        drawn_RG += groups * np.arange(rows)[:, None]
        count = np.bincount(drawn_RG.ravel(), minlength=rows * groups)
        yield count.reshape(rows, groups).astype(np.float64)


def bounds(score_RM: Floats) -> tuple[Floats, Floats]:
    """`[M]` lower and upper bounds: percentiles of the draws in which a score is defined, which are not NaN."""
    ordered_RM = np.sort(score_RM, axis=0)  # NaN comes last
    last_M = np.maximum(np.count_nonzero(~np.isnan(ordered_RM), axis=0) - 1, 0)
    column_M = np.arange(ordered_RM.shape[1])
    found = []
    for share in ((1 - LEVEL) / 2, (1 + LEVEL) / 2):
        place_M = share * last_M
        below_M = np.floor(place_M).astype(np.int64)
        low_M, high_M = ordered_RM[below_M, column_M], ordered_RM[np.minimum(below_M + 1, last_M), column_M]
        found.append(low_M + (place_M - below_M) * (high_M - low_M))
    return found[0], found[1]


def bootstrap(
    statistics: Sequence[Statistic], groups: Sequence[str], *, resamples: int, width: int = 1, seed: int = 0
) -> list[list[Estimate]]:
    """Percentile intervals of any number of figures from one series of draws of whole groups.

    Clips of one source video look alike and are right or wrong together. Resampling single clips would claim more
    certainty than there is (Cameron, Gelbach and Miller 2008 on the cluster bootstrap).

    Args:
        groups: the source video of each clip.
        resamples: number of draws.
        width: see `draw_blocks`.

    Returns:
        The M estimates of each statistic. One that is not defined is NaN, with NaN for bounds where no draw defines it.
    """
    group_N, number = numbered(groups)
    everything = Draws(group_N, np.ones((1, number)))
    value_M = [_as_columns(statistic(everything))[0] for statistic in statistics]
    score_RM: list[list[Floats]] = [[] for _ in statistics]
    for count_RG in draw_blocks(number, resamples=resamples, width=width, seed=seed):
        draws = Draws(group_N, count_RG)
        for scores, statistic in zip(score_RM, statistics, strict=True):
            scores.append(_as_columns(statistic(draws)))
    found = []
    for values, scores in zip(value_M, score_RM, strict=True):
        rows = zip(values.tolist(), *(bound.tolist() for bound in bounds(np.concatenate(scores))), strict=True)
        found.append([Estimate(*row) for row in rows])
    return found


def basic(estimate: Estimate) -> Estimate:
    """The basic bootstrap interval in place of a percentile interval, for what is never negative and grows by chance.

    Gaps between accuracy and confidence are wider in few clips than in many, and wider again in a draw of these clips,
    so that percentiles can all lie above the value. The basic interval (Davison and Hinkley 1997, 5.2.1) takes from the
    value what draws add to it, as Kumar, Liang and Ma 2019 do for calibration errors. It is stretched to hold the
    value.
    """
    value, low, high = estimate
    return Estimate(value, low=max(0.0, 2 * value - high), high=max(value, 2 * value - low))


def bootstrap_interval(
    values_N: NDArray[np.bool_] | NDArray[np.floating], groups: Sequence[str], *, resamples: int, seed: int = 0
) -> tuple[float, float]:
    """The lower and the upper bound of the mean of one value per clip, see `bootstrap`."""
    ((estimate,),) = bootstrap([lambda draws: draws.means(values_N)], groups, resamples=resamples, seed=seed)
    return estimate.low, estimate.high


def _as_columns(score: Floats) -> Floats:
    return score[:, None] if score.ndim == 1 else score
