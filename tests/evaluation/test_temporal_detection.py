"""Average precision and F1 of actions in time, against examples by hand and a slow second implementation."""

import numpy as np
import pytest

from action_recognition.evaluation.temporal_detection import (
    Action,
    average_precision,
    f1,
    mean_average_precision,
    temporal_overlap,
)


def run(video: str, start: float, end: float, score: float = 1.0) -> Action:
    return Action(video, "run", start, end, score)


def by_brute_force(found: list[Action], truth: list[Action], overlap: float) -> float:
    """ActivityNet's loop: each found action takes the best free true one; area under the falling precision."""
    taken: set[int] = set()
    hits = []
    for action in sorted(found, key=lambda action: -action.score):
        best, most = None, overlap
        for number, other in enumerate(truth):
            grid = np.arange(0, 40, 0.25) + 0.125  # all borders lie on quarters
            one = (grid > action.start_seconds) & (grid < action.end_seconds)
            two = (grid > other.start_seconds) & (grid < other.end_seconds)
            share = (one & two).sum() / (one | two).sum()
            if number not in taken and other.video == action.video and share >= most and (share > most or best is None):
                best, most = number, share
        taken |= {best} if best is not None else set()
        hits.append(best is not None)
    points = [(sum(hits[:n]) / len(truth), sum(hits[:n]) / n) for n in range(1, len(hits) + 1)]
    area, before = 0.0, 0.0
    for number, (recall, _) in enumerate(points):
        area += (recall - before) * max(precision for _, precision in points[number:])
        before = recall
    return area


def test_against_a_slow_second_implementation() -> None:
    rng = np.random.default_rng(0)

    def some(count: int) -> list[Action]:
        starts, lengths = rng.integers(0, 80, count) / 4, rng.integers(1, 60, count) / 4
        return [
            run(f"video{rng.integers(3)}", start, start + length, score)
            for start, length, score in zip(starts, lengths, rng.permutation(count) / count, strict=True)
        ]

    for _ in range(60):
        found, truth = some(int(rng.integers(1, 25))), some(int(rng.integers(1, 12)))
        for overlap in (0.3, 0.5):
            expected = by_brute_force(found, truth, overlap)
            assert average_precision(found, truth, overlap=overlap) == pytest.approx(expected, abs=1e-12)


def test_examples_by_hand() -> None:
    truth = [run("a", 0, 10), run("a", 20, 30)]
    assert average_precision([run("a", 0, 10, 0.9), run("a", 21, 30, 0.8)], truth, overlap=0.5) == 1.0
    # The likelier one is wrong: one of two found, at precision one half.
    assert average_precision([run("a", 12, 18, 0.9), run("a", 0, 10, 0.8)], truth, overlap=0.5) == 0.25
    # A second hit of the same action is wrong, another video too.
    assert average_precision([run("a", 0, 10, 0.9), run("a", 1, 10, 0.8)], truth, overlap=0.5) == 0.5
    assert average_precision([run("b", 0, 10)], truth, overlap=0.5) == 0.0
    assert average_precision([], truth, overlap=0.5) == 0.0


def test_the_mean_is_over_the_classes_that_are_there() -> None:
    truth = [run("a", 0, 10), Action("a", "walk", 10, 20)]
    found = [run("a", 0, 10), Action("a", "sit", 10, 20)]
    assert mean_average_precision(found, truth, overlap=0.5) == 0.5
    assert mean_average_precision(found, [], overlap=0.5) == 0.0
    assert f1(found, truth, overlap=0.5) == 0.5
    assert (f1([], [], overlap=0.5), f1([], truth, overlap=0.5), f1(found, [], overlap=0.5)) == (1.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [((0, 4), (2, 6), 1 / 3), ((0, 1), (1, 2), 0), ((0, 1), (5, 6), 0), ((0, 4), (1, 2), 0.25), ((1, 1), (1, 1), 0)],
)
def test_temporal_overlap(one: tuple[float, float], other: tuple[float, float], expected: float) -> None:
    assert temporal_overlap(run("a", *one), run("a", *other)) == pytest.approx(expected)
    assert temporal_overlap(run("a", *other), run("a", *one)) == pytest.approx(expected)
