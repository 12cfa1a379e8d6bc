"""Fits against brute force, torch's optimiser, a bootstrap, and data made with a known temperature."""

import numpy as np
import pytest
import torch

from action_recognition.errors import NumericsError
from action_recognition.evaluation.calibration.calibrate import fit
from action_recognition.evaluation.calibration.temperature import (
    FEW_CLIPS,
    LEAST_TEMPERATURE,
    MOST_TEMPERATURE,
    fit_temperature,
    log_loss,
    mean_probabilities,
    temperature_interval,
)
from action_recognition.utils.probabilities import softmax


def drawn(*, clips: int, views: int = 1, classes: int = 10, temperature: float = 1.0, seed: int = 0):
    """Logits whose labels follow the softmax at `temperature`, as float32 `[N, V, K]`, and the labels."""
    generator = np.random.default_rng(seed)
    logits_NVK = generator.normal(scale=3.0, size=(clips, 1, classes)) + generator.normal(size=(clips, views, classes))
    chance_NK = softmax(logits_NVK, temperature).mean(axis=1)
    label_N = np.array([generator.choice(classes, p=chance_K) for chance_K in chance_NK])
    return logits_NVK.astype(np.float32), label_N


def by_torch(logits_NVK: np.ndarray, label_N: np.ndarray) -> float:
    """The temperature that torch's LBFGS finds for the loss of averaged probabilities."""
    logits, labels = torch.from_numpy(logits_NVK).double(), torch.from_numpy(label_N)
    place = torch.zeros((), dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([place], max_iter=200, line_search_fn="strong_wolfe", tolerance_change=1e-12)

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        probability = (logits / place.exp()).softmax(dim=2).mean(dim=1)
        loss = torch.nn.functional.nll_loss(probability.log(), labels)
        loss.backward()
        return loss

    optimizer.step(closure)
    return float(place.detach().exp())


@pytest.mark.parametrize("views", [1, 6])
@pytest.mark.parametrize("temperature", [0.4, 1.0, 2.5])
def test_equals_torch_and_the_best_of_a_fine_grid(temperature: float, views: int) -> None:
    logits_NVK, label_N = drawn(clips=200, views=views, temperature=temperature)
    found = fit_temperature(logits_NVK, label_N)
    assert found == pytest.approx(by_torch(logits_NVK, label_N), rel=1e-3)
    grid = np.geomspace(LEAST_TEMPERATURE, MOST_TEMPERATURE, 400)
    wide_NVK = torch.from_numpy(logits_NVK).double()
    labels = torch.from_numpy(label_N)
    losses = [
        float(torch.nn.functional.nll_loss((wide_NVK / place).softmax(2).mean(1).log(), labels)) for place in grid
    ]
    assert found == pytest.approx(grid[int(np.argmin(losses))], rel=0.02)
    assert log_loss(logits_NVK, label_N, found) <= min(losses) + 1e-9


def test_a_known_temperature_is_found_and_the_calibration_error_falls() -> None:
    logits_NVK, label_N = drawn(clips=5000, temperature=2.5)
    found = fit(logits_NVK, label_N, [str(number) for number in range(5000)])
    assert found.interval is not None
    assert found.interval[0] < 2.5 < found.interval[1] < 1.1 * found.interval[0]
    assert found.temperature == pytest.approx(2.5, rel=0.05)
    assert found.error < 0.03 < 0.1 < found.uncalibrated_error


def test_the_interval_is_that_of_a_bootstrap_over_sources() -> None:
    """Each clip five times under one source is no more evidence than once."""
    logits_NVK, label_N = drawn(clips=80, views=2, temperature=1.7)
    sources = [f"source {number}" for number in range(80)]
    temperature = fit_temperature(logits_NVK, label_N)
    low, high = temperature_interval(logits_NVK, label_N, sources, temperature)
    generator = np.random.default_rng(0)
    picks = [generator.integers(0, 80, size=80) for _ in range(150)]
    spread = np.std([np.log(fit_temperature(logits_NVK[pick], label_N[pick])) for pick in picks])
    assert np.log(high / low) / (2 * 1.96) == pytest.approx(spread, rel=0.25)
    again = temperature_interval(logits_NVK.repeat(5, axis=0), label_N.repeat(5), np.repeat(sources, 5), temperature)
    assert again == pytest.approx((low, high))
    assert temperature_interval(logits_NVK, label_N, ["one"] * 80, temperature) is None
    assert temperature_interval(np.zeros_like(logits_NVK), label_N, sources, temperature) is None


def test_views_are_averaged_as_prediction_averages_windows() -> None:
    """Views that contradict each other: averaged logits would give another temperature."""
    logits_NVK, label_N = drawn(clips=300, views=2, temperature=1.5)
    logits_NVK[:, 1] += np.random.default_rng(1).normal(scale=4, size=logits_NVK[:, 1].shape)
    averaged = fit_temperature(logits_NVK.mean(axis=1, keepdims=True), label_N)
    found = fit_temperature(logits_NVK, label_N)
    assert found == pytest.approx(by_torch(logits_NVK, label_N), rel=1e-3)
    assert abs(found / averaged - 1) > 0.1


@pytest.mark.parametrize("clips", [FEW_CLIPS, 200])
def test_where_all_labels_are_right_the_confidence_is_no_more_than_that_proves(clips: int) -> None:
    label_N = np.arange(clips) % 4
    logits_NVK = (5.0 * np.eye(4, dtype=np.float32)[label_N])[:, None]
    found = fit_temperature(logits_NVK, label_N)
    confidence = mean_probabilities(logits_NVK, found).max(axis=1).mean()
    assert confidence == pytest.approx((clips + 1) / (clips + 2), abs=1e-4)


@pytest.mark.parametrize("scale", [0.0, 1e-6, 1e6, 3e37])
@pytest.mark.parametrize("right", [True, False])
def test_extreme_logits_stay_within_the_bounds(scale: float, right: bool) -> None:
    label_N = np.arange(50) % 3
    shown_N = label_N if right else (label_N + 1) % 3
    logits_NVK = (scale * np.eye(3)[shown_N])[:, None].astype(np.float32)
    with np.errstate(all="raise", under="ignore"):
        found = fit_temperature(logits_NVK, label_N)
    assert LEAST_TEMPERATURE <= found <= MOST_TEMPERATURE


def test_one_class_few_clips_and_nan() -> None:
    logits_NVK, label_N = drawn(clips=FEW_CLIPS, temperature=3.0)
    assert fit_temperature(logits_NVK[:-1], label_N[:-1]) == 1.0
    assert fit_temperature(logits_NVK, label_N) != 1.0
    assert fit_temperature(logits_NVK[:, :, :1], np.zeros_like(label_N)) == 1.0
    logits_NVK[3, 0, 2] = np.nan
    with pytest.raises(NumericsError, match="validation clips"):
        fit_temperature(logits_NVK, label_N)


def test_a_missing_class_and_a_thousand_classes() -> None:
    logits_NVK, label_N = drawn(clips=300, classes=5, temperature=2.0)
    keep_N = label_N != 3
    assert 1.0 < fit_temperature(logits_NVK[keep_N], label_N[keep_N]) < 4.0
    logits_NVK, label_N = drawn(clips=300, views=3, classes=1000, temperature=0.5)
    assert fit_temperature(logits_NVK, label_N) == pytest.approx(by_torch(logits_NVK, label_N), rel=1e-3)
