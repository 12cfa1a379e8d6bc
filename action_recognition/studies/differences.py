"""Differences between two models on the same clips: paired intervals over source videos, and McNemar's test."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from action_recognition.evaluation.classes import sources_by
from action_recognition.evaluation.intervals import (
    FEW_GROUPS,
    Draws,
    Estimate,
    Statistic,
    basic,
    bootstrap,
    bootstrap_interval,
)
from action_recognition.evaluation.metrics import METRICS, Metric, statistic_of
from action_recognition.evaluation.outcomes import Outcomes
from action_recognition.evaluation.scores import ClassCounts


@dataclass(frozen=True, kw_only=True)
class Difference:
    """A score less that of a baseline; `low` and `high` bound a 95 % interval.

    Attributes:
        sources: the number of source videos that were resampled, where the two were compared clip by clip; None where
            only two intervals were compared.
    """

    value: float
    low: float
    high: float
    sources: int | None = None

    @property
    def beyond_chance(self) -> bool:
        """Whether the interval leaves 0 out. Draws of a single source video are all the same, so they say nothing."""
        return self.sources != 1 and (self.low > 0 or self.high < 0)

    @property
    def is_of_few(self) -> bool:
        """Whether there are too few source videos for a good interval."""
        return self.sources is not None and self.sources < FEW_GROUPS

    def __str__(self) -> str:
        """Of a share, in percentage points: `+4.2 (+1.0 to +7.5)`."""
        text = f"{100 * self.value:+.1f} ({100 * self.low:+.1f} to {100 * self.high:+.1f})"
        if self.is_of_few:
            text += f", of only {self.sources} source video{'s' if self.sources != 1 else ''}"
        return text if self.beyond_chance else f"{text}, within the noise"


def mean_difference(difference_N: NDArray[np.floating], groups: Sequence[str], *, resamples: int) -> Difference:
    """The mean over clips of a difference of each, with whole source videos resampled (paired cluster bootstrap)."""
    low, high = bootstrap_interval(difference_N, groups, resamples=resamples)
    return Difference(value=float(difference_N.mean()), low=low, high=high, sources=len(set(groups)))


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A figure of two models with its intervals, and the second's less the first's; NaN where it is not defined."""

    first: Estimate
    second: Estimate
    difference: Difference


@dataclass(frozen=True, kw_only=True, eq=False)
class Judged:
    """What two models say of the same N clips.

    Attributes:
        first_NK, second_NK: probabilities, of the same K classes in the same order.
        label_N: class numbers.
        groups: the source video of each clip.
    """

    first_NK: NDArray[np.floating]
    second_NK: NDArray[np.floating]
    label_N: NDArray[np.int64]
    groups: Sequence[str]


def metric_pairs(judged: Judged, *, resamples: int) -> dict[str, Pair]:
    """Every registered metric of both models.

    The draws are the same for both, which makes the difference surer than the two intervals: a source video that is
    hard is hard for both (paired cluster bootstrap).
    """
    first, second = (Outcomes.of(each, judged.label_N) for each in (judged.first_NK, judged.second_NK))
    both: dict[str, Statistic] = {}
    for name, metric in METRICS.items():
        of_first = statistic_of(metric, first, judged.first_NK)
        of_second = statistic_of(metric, second, judged.second_NK)
        if of_first is not None and of_second is not None:
            both[name] = _paired(of_first, of_second)
    found = bootstrap(list(both.values()), judged.groups, resamples=resamples, width=first.classes)
    sources = len(set(judged.groups))
    return {name: _pair(*row, sources=sources, metric=METRICS[name]) for name, row in zip(both, found, strict=True)}


def class_pairs(judged: Judged, *, resamples: int) -> list[Pair]:
    """Of each class: the share of its clips that each model gets right; sources are those of all classes."""
    outcomes = [Outcomes.of(each, judged.label_N) for each in (judged.first_NK, judged.second_NK)]
    classes = outcomes[0].classes

    def accuracies(draws: Draws) -> NDArray[np.float64]:
        first, second = (ClassCounts.of(clips, draws).recall(otherwise=np.nan) for clips in outcomes)
        return np.hstack([first, second, second - first])

    (found,) = bootstrap([accuracies], judged.groups, resamples=resamples, width=3 * classes)
    sources = sources_by(judged.label_N, classes, judged.groups).tolist()
    return [_pair(*found[number::classes], sources=sources[number]) for number in range(classes)]


def _paired(of_first: Statistic, of_second: Statistic) -> Statistic:
    def statistic(draws: Draws) -> NDArray[np.float64]:
        first_R, second_R = of_first(draws), of_second(draws)
        return np.stack([first_R, second_R, second_R - first_R], axis=1)

    return statistic


def _pair(
    first: Estimate, second: Estimate, difference: Estimate, *, sources: int, metric: Metric | None = None
) -> Pair:
    value, low, high = difference
    if metric is not None and metric.grows_by_chance:
        # As `intervals.basic`, but a difference may be negative.
        low, high = min(value, 2 * value - high), max(value, 2 * value - low)
        first, second = basic(first), basic(second)
    return Pair(first=first, second=second, difference=Difference(value=value, low=low, high=high, sources=sources))


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """How many clips both models get right, only one of them, or neither.

    Attributes:
        p_value: of McNemar's exact test (McNemar 1947): how probable it is that the clips that only one of them gets
            right are shared out at least as unevenly, if both models were equally good. It takes clips as independent,
            which those of one source video are not, so it is too small where sources have many clips.
    """

    both: int
    only_first: int
    only_second: int
    neither: int
    p_value: float


def agreement(judged: Judged) -> Agreement:
    first_N, second_N = (each.argmax(axis=1) == judged.label_N for each in (judged.first_NK, judged.second_NK))
    only_first, only_second = int((first_N & ~second_N).sum()), int((second_N & ~first_N).sum())
    discordant = only_first + only_second
    return Agreement(
        both=int((first_N & second_N).sum()),
        only_first=only_first,
        only_second=only_second,
        neither=int((~first_N & ~second_N).sum()),
        p_value=float(binomtest(only_first, discordant, 0.5).pvalue) if discordant else 1.0,
    )
