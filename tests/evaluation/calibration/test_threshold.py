"""Thresholds against trying all of them."""

import numpy as np
import pytest

from action_recognition.evaluation.calibration.threshold import choose_threshold


def gains(confidence_N: np.ndarray, correct_N: np.ndarray, threshold: float) -> int:
    """Right answers given and wrong ones withheld."""
    given_N = confidence_N >= threshold
    return int((given_N == correct_N).sum())


@pytest.mark.parametrize("digits", [1, 2, 9])
@pytest.mark.parametrize("seed", range(5))
def test_no_threshold_gives_and_withholds_better(seed: int, digits: int) -> None:
    generator = np.random.default_rng(seed)
    confidence_N = generator.uniform(0.1, 1.0, size=80).round(digits)
    correct_N = generator.uniform(size=80) < confidence_N
    found = choose_threshold(confidence_N, correct_N)
    best = max(gains(confidence_N, correct_N, threshold) for threshold in np.linspace(0, 1, 5001))
    assert gains(confidence_N, correct_N, found) >= best


@pytest.mark.parametrize("risk", [0.0, 0.05, 0.2, 1.0])
@pytest.mark.parametrize("seed", range(5))
def test_the_lowest_threshold_that_keeps_the_risk(seed: int, risk: float) -> None:
    generator = np.random.default_rng(seed)
    confidence_N = generator.uniform(0.1, 1.0, size=80).round(2)
    correct_N = generator.uniform(size=80) < confidence_N
    found = choose_threshold(confidence_N, correct_N, risk)
    kept = [
        t for t in np.linspace(0, 1, 1001) if (~correct_N[confidence_N >= t]).sum() <= risk * (confidence_N >= t).sum()
    ]
    assert (~correct_N[confidence_N >= found]).sum() <= risk * (confidence_N >= found).sum()
    assert (confidence_N >= found).sum() == max((confidence_N >= t).sum() for t in kept)


@pytest.mark.parametrize("target_risk", [None, 0.1])
def test_all_right_are_all_answered_and_all_wrong_are_none(target_risk: float | None) -> None:
    confidence_N = np.linspace(0.3, 0.9, 40)
    right_N = np.ones(40, dtype=bool)
    assert choose_threshold(confidence_N, right_N, target_risk) < 0.3
    assert 0.9 < choose_threshold(confidence_N, ~right_N, target_risk) <= 1.0
    certain_N = np.ones(40)
    assert 0.0 <= choose_threshold(certain_N, right_N, target_risk) <= 0.5
    assert choose_threshold(certain_N, ~right_N, target_risk) <= 1.0
    assert choose_threshold(confidence_N[:5], right_N[:5], target_risk) == 0.0


def test_of_equally_good_thresholds_the_one_nearest_to_a_half_is_taken() -> None:
    confidence_N = np.array([0.1, 0.4, 0.6, 0.9] * 10)
    assert choose_threshold(confidence_N, confidence_N > 0.5) == 0.5
    assert choose_threshold(confidence_N, confidence_N > 0.2) == 0.25
    assert choose_threshold(confidence_N, np.ones(40, dtype=bool)) == pytest.approx(0.05)
