"""The risk-coverage curve against a loop over thresholds."""

import numpy as np
import pytest

from action_recognition.evaluation.calibration.risk_coverage import MOST_POINTS, risk_coverage
from action_recognition.evaluation.outcomes import Outcomes


def outcomes(clips: int, *, ties: bool, seed: int = 0) -> Outcomes:
    generator = np.random.default_rng(seed)
    probability_NK = generator.dirichlet([0.5] * 4, size=clips)
    if ties:
        probability_NK = np.round(probability_NK, 1)
    return Outcomes.of(probability_NK, generator.integers(0, 4, size=clips))


def risk_at(clips: Outcomes, threshold: float) -> float:
    answered_N = clips.confidence_N >= threshold
    return float((~clips.correct_N)[answered_N].mean())


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("clips", [1, 2, 60])
def test_against_a_loop_over_thresholds(clips: int, ties: bool) -> None:
    judged = outcomes(clips, ties=ties)
    found = risk_coverage(judged, [str(n) for n in range(clips)], threshold=0.5, resamples=20)
    thresholds = sorted(set(judged.confidence_N.tolist()))
    assert [point.threshold for point in found.points] == thresholds
    for point in found.points:
        assert point.coverage == pytest.approx((judged.confidence_N >= point.threshold).mean())
        assert point.risk == pytest.approx(risk_at(judged, point.threshold))
    assert found.area.value == pytest.approx(np.mean([risk_at(judged, sure) for sure in judged.confidence_N]))
    assert found.coverage.value == pytest.approx((judged.confidence_N >= 0.5).mean())
    assert found.risk is None if found.coverage.value == 0 else found.risk.value == pytest.approx(risk_at(judged, 0.5))
    assert found.points[0].coverage == 1


def test_the_interval_of_the_area_is_that_of_copied_rows() -> None:
    judged = outcomes(40, ties=True, seed=1)
    found = risk_coverage(judged, [f"{n // 4}" for n in range(40)], threshold=0.0, resamples=80)
    areas = []
    for drawn_G in np.random.default_rng(0).integers(0, 10, size=(80, 10)):
        drawn = judged[np.concatenate([np.arange(4 * group, 4 * group + 4) for group in drawn_G])]
        areas.append(np.mean([risk_at(drawn, sure) for sure in drawn.confidence_N]))
    assert (found.area.low, found.area.high) == pytest.approx(tuple(np.quantile(areas, [0.025, 0.975])))
    assert (found.coverage, found.risk.value) == ((1, 1, 1), found.points[0].risk)


def test_a_threshold_that_no_clip_reaches_has_no_risk() -> None:
    found = risk_coverage(outcomes(9, ties=False), ["a"] * 9, threshold=1.0, resamples=5)
    assert found.coverage.value == 0
    assert found.risk is None


def test_a_long_curve_is_thinned_and_keeps_both_ends() -> None:
    judged = outcomes(3000, ties=False)
    points = risk_coverage(judged, ["a"] * 3000, threshold=0.0, resamples=2).points
    assert len(points) == MOST_POINTS
    assert (points[0].coverage, points[-1].coverage) == (1, 1 / 3000)
