"""Answering only where the model is sure: how many clips are answered, and how many of these answers are wrong."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from action_recognition.evaluation.figures import RiskCoverage, RiskPoint
from action_recognition.evaluation.intervals import Draws, bootstrap
from action_recognition.evaluation.outcomes import Floats, Outcomes
from action_recognition.evaluation.scores import ratio

MOST_POINTS = 500


def risk_coverage(clips: Outcomes, groups: Sequence[str], *, threshold: float, resamples: int) -> RiskCoverage:
    """The curve over all thresholds, and the figures at `threshold`, up to which a clip is none of the classes."""
    answered_N = clips.confidence_N >= threshold
    wrong_N = ~clips.correct_N
    falling_N = np.argsort(-clips.confidence_N, kind="stable")
    last_N = _last_of_equals(clips.confidence_N[falling_N])

    def risk(draws: Draws) -> Floats:
        return ratio(draws.sums(answered_N & wrong_N), draws.sums(answered_N), otherwise=np.nan)

    def area(draws: Draws) -> Floats:
        weight_RN = draws.count_RG[:, draws.group_N[falling_N]]
        risk_RN = ratio((weight_RN * wrong_N[falling_N]).cumsum(axis=1), weight_RN.cumsum(axis=1))
        return np.asarray((weight_RN * risk_RN[:, last_N]).sum(axis=1) / draws.clips_R)

    statistics = [lambda draws: draws.means(answered_N), risk, area]
    found = bootstrap(statistics, groups, resamples=resamples, width=len(clips))
    (coverage,), (at_threshold,), (total,) = found
    return RiskCoverage(
        threshold=threshold,
        coverage=coverage,
        risk=at_threshold if answered_N.any() else None,
        area=total,
        points=_points(clips.confidence_N[falling_N], wrong_N[falling_N], last_N),
    )


def _last_of_equals(falling_N: Floats) -> NDArray[np.int64]:
    """`[N]`: the place of the last clip that is as confident as this one; they are answered together."""
    return np.asarray(np.searchsorted(-falling_N, -falling_N, side="right") - 1, dtype=np.int64)


def _points(falling_N: Floats, wrong_N: NDArray[np.bool_], last_N: NDArray[np.int64]) -> tuple[RiskPoint, ...]:
    ends = np.unique(last_N)[::-1]
    if len(ends) > MOST_POINTS:
        ends = ends[np.unique(np.linspace(0, len(ends) - 1, MOST_POINTS).round().astype(np.int64))]
    answered, wrong = ends + 1, wrong_N.cumsum()[ends]
    rows = zip(falling_N[ends].tolist(), (answered / len(falling_N)).tolist(), (wrong / answered).tolist(), strict=True)
    return tuple(RiskPoint(threshold=threshold, coverage=coverage, risk=risk) for threshold, coverage, risk in rows)
