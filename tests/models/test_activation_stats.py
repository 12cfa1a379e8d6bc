"""Statistics of activations against NumPy's, in one piece and batch by batch; dead and exploding layers."""

import math

import numpy as np
import pytest
import torch

from action_recognition.models.activation_stats import BINS, ActivationStats, bin_edges


def stats_of(*maps: torch.Tensor) -> ActivationStats:
    stats = ActivationStats()
    for each in maps:
        stats.add(each)
    return stats


def test_batches_add_up_to_what_numpy_counts() -> None:
    values = torch.randn(6, 5, 4, 3, 3, generator=torch.Generator().manual_seed(0)).mul(3).relu() - 0.5
    stats = stats_of(values[:2], values[2:])
    array = values.numpy().astype(np.float64)
    np.testing.assert_array_equal(stats.counts, np.histogram(array, bin_edges())[0])
    np.testing.assert_allclose([stats.mean, stats.std], [array.mean(), array.std()], rtol=1e-9)
    assert stats.rms == pytest.approx(math.sqrt((array**2).mean()))
    assert (stats.low, stats.high) == (array.min(), array.max())
    np.testing.assert_allclose(stats.largest_C, np.abs(array).max(axis=(0, 2, 3, 4)))
    assert stats.warnings() == []


def test_values_beyond_the_bins_and_of_half_types_are_counted() -> None:
    stats = stats_of(torch.tensor([[1e7, -1e7, 0.0, 1.0]] * 8))
    assert (stats.counts[0], stats.counts[-1], stats.counts[BINS // 2], stats.zeros) == (8, 8, 8, 8)
    assert stats_of(torch.ones(8, 2, dtype=torch.bfloat16)).mean == 1.0


@pytest.mark.parametrize(
    ("maps", "words"),
    [
        (torch.tensor([[1.0, 0.0, 0.0]] * 8), "is dead: 67% of its 3 units are always 0"),
        (torch.full((8, 3), 0.25), "is dead: it puts out 0.25 everywhere"),
        (torch.full((8, 3), 2000.0) * torch.arange(8)[:, None], "explodes: root mean square 8,367, above 1,000"),
        (torch.tensor([[1.0, math.nan, -math.inf]] * 8), "explodes: 16 values are infinite or NaN"),
    ],
)
def test_what_is_wrong_is_said(maps: torch.Tensor, words: str) -> None:
    assert stats_of(maps).warnings()[0] == words


def test_a_single_value_a_unit_is_not_called_dead() -> None:
    assert stats_of(torch.zeros(1, 4)).warnings() == []
    assert ActivationStats().warnings() == []


def test_half_of_the_units_silent_is_not_yet_dead() -> None:
    assert stats_of(torch.tensor([[1.0, 0.0]] * 8)).warnings() == []
