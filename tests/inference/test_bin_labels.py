"""The best labelling without short runs, against all labellings there are."""

from itertools import groupby, product

import numpy as np
import pytest

from action_recognition.inference.bin_labels import NONE, label_bins
from action_recognition.inference.smoothing import TimeBins


def runs_of(labels: tuple[int, ...], edges: np.ndarray) -> list[float]:
    lengths, first = [], 0
    for _, group in groupby(labels):
        count = len(list(group))
        lengths.append(edges[first + count] - edges[first])
        first += count
    return lengths


def score_of(labels: tuple[int, ...], bins: TimeBins, threshold: float) -> float:
    widths = np.diff(bins.edges)
    return sum(
        width * (threshold if label == NONE else row[label])
        for label, row, width in zip(labels, bins.probabilities, widths, strict=True)
    )


@pytest.mark.parametrize("seed", range(12))
def test_no_labelling_is_better(seed: int) -> None:
    rng = np.random.default_rng(seed)
    edges = np.append(0, np.cumsum(rng.choice([0.25, 0.5, 0.75], size=7)))
    bins = TimeBins(edges, rng.dirichlet(np.full(3, 0.5), size=7))
    for threshold, min_seconds in product((0.0, 0.4, 0.8), (0.0, 0.5, 1.0, 2.5)):
        # With a shortest length, only classes that are the likeliest somewhere take part.
        best_M = bins.probabilities.argmax(axis=1)
        labels = {int(label) for label, row in zip(best_M, bins.probabilities, strict=True) if row[label] >= threshold}
        allowed = [
            labelling
            for labelling in product((*sorted(labels), NONE), repeat=7)
            if min(runs_of(labelling, edges)) >= min_seconds - 1e-9
        ]
        expected = max(score_of(labelling, bins, threshold) for labelling in allowed)
        found = tuple(label_bins(bins, threshold=threshold, min_seconds=min_seconds).tolist())
        assert found in allowed
        assert score_of(found, bins, threshold) == pytest.approx(expected, abs=1e-7)


def test_a_video_shorter_than_the_shortest_segment_has_one() -> None:
    bins = TimeBins(np.arange(4.0), np.array([[0.9, 0.1], [0.2, 0.8], [0.9, 0.1]]))
    assert label_bins(bins, threshold=0.3, min_seconds=100).tolist() == [0, 0, 0]
    assert label_bins(bins, threshold=0.95, min_seconds=100).tolist() == [NONE] * 3


def test_a_probability_at_the_threshold_is_enough_and_the_first_of_two_equal_classes_counts() -> None:
    bins = TimeBins(np.arange(3.0), np.array([[0.5, 0.5], [0.4, 0.6]]))
    assert label_bins(bins, threshold=0.5, min_seconds=0).tolist() == [0, 1]
    assert label_bins(bins, threshold=0.51, min_seconds=0).tolist() == [NONE, 1]
