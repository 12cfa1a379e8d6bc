"""The best labelling without short runs, against all labellings there are."""

from itertools import groupby, product

import numpy as np
import pytest

from action_recognition.inference.temporal.bin_labels import NONE, label_bins
from action_recognition.inference.temporal.smoothing import TimeBins


def runs_of(labels: tuple[int, ...], edges: np.ndarray) -> list[float]:
    lengths, first = [], 0
    for _, group in groupby(labels):
        count = len(list(group))
        lengths.append(edges[first + count] - edges[first])
        first += count
    return lengths


def score_of(labels: tuple[int, ...], bins: TimeBins) -> float:
    rows = zip(labels, bins.probabilities, np.diff(bins.edges), strict=True)
    return float(sum(width * row[label] for label, row, width in rows))


def some_bins(seed: int, count: int = 7) -> TimeBins:
    rng = np.random.default_rng(seed)
    edges = np.append(0, np.cumsum(rng.choice([0.25, 0.5, 0.75], size=count)))
    return TimeBins(edges, rng.dirichlet(np.full(3, 0.5), size=count))


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("min_seconds", [0.0, 0.5, 1.0, 1.75])
def test_no_labelling_is_better(seed: int, min_seconds: float) -> None:
    bins = some_bins(seed)
    classes = set(bins.probabilities.argmax(axis=1).tolist())
    allowed = [
        labels
        for labels in product(sorted(classes), repeat=7)
        if min(runs_of(labels, bins.edges)) >= min(min_seconds, bins.edges[-1]) - 1e-9
    ]
    found = tuple(label_bins(bins, threshold=0.0, min_seconds=min_seconds).tolist())
    assert found in allowed
    best = max(score_of(labels, bins) for labels in allowed)
    assert score_of(found, bins) == pytest.approx(best, abs=1e-7)


@pytest.mark.parametrize("seed", range(40))
def test_none_takes_unlikely_stretches_that_last(seed: int) -> None:
    bins = some_bins(seed, count=60)
    seconds = (bins.edges[1:] + bins.edges[:-1]) / 2
    for threshold, min_seconds in product((0.5, 0.8), (0.0, 1.0, 2.5)):
        likeliest = label_bins(bins, threshold=0.0, min_seconds=min_seconds)
        found = label_bins(bins, threshold=threshold, min_seconds=min_seconds)
        assert NONE not in likeliest
        assert min(runs_of(tuple(found.tolist()), bins.edges)) >= min_seconds - 1e-5
        is_none = found == NONE
        np.testing.assert_array_equal(found[~is_none], likeliest[~is_none])
        unlikely = bins.probabilities[np.arange(60), likeliest] < threshold
        if min_seconds == 0:
            np.testing.assert_array_equal(is_none, unlikely)
        # What is likely and none lies in a run that its unlikely neighbours left too short.
        for number in np.flatnonzero(is_none & ~unlikely):
            same = [n for n in range(60) if likeliest[n] == likeliest[number] and not unlikely[n]]
            near = [n for n in same if abs(seconds[n] - seconds[number]) < min_seconds]
            assert near
        for number in np.flatnonzero(unlikely & ~is_none):
            assert min_seconds > 0, number


def test_a_video_shorter_than_the_shortest_segment_has_one() -> None:
    bins = TimeBins(np.arange(4.0), np.array([[0.9, 0.1], [0.2, 0.8], [0.9, 0.1]]))
    assert label_bins(bins, threshold=0.3, min_seconds=100).tolist() == [0, 0, 0]
    assert label_bins(bins, threshold=0.95, min_seconds=100).tolist() == [NONE] * 3


def test_a_flicker_is_no_pause_and_a_pause_is_no_action() -> None:
    """A class that is sure for a moment makes neither its neighbours nor a stretch of none into anything else."""
    sure, other, none = [0.9, 0.05, 0.05], [0.05, 0.9, 0.05], [0.4, 0.3, 0.3]
    bins = TimeBins(np.arange(11.0), np.array([sure] * 4 + [other] + [sure] * 4 + [none]))
    assert label_bins(bins, threshold=0.5, min_seconds=2).tolist() == [0] * 10
    bins = TimeBins(np.arange(11.0), np.array([sure] * 2 + [none] * 3 + [other] + [none] * 2 + [sure] * 2))
    assert label_bins(bins, threshold=0.5, min_seconds=2).tolist() == [0, 0] + [NONE] * 6 + [0, 0]


def test_a_probability_at_the_threshold_is_enough_and_the_first_of_two_equal_classes_counts() -> None:
    bins = TimeBins(np.arange(3.0), np.array([[0.5, 0.5], [0.4, 0.6]]))
    assert label_bins(bins, threshold=0.5, min_seconds=0).tolist() == [0, 1]
    assert label_bins(bins, threshold=0.51, min_seconds=0).tolist() == [NONE, 1]
