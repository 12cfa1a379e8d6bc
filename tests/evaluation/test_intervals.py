import numpy as np
import pytest

from action_recognition.evaluation.intervals import bootstrap_interval


def test_the_interval_is_the_normal_one_where_clips_are_independent():
    hits = np.random.default_rng(1).random(2000) < 0.3
    interval = bootstrap_interval(hits, [str(i) for i in range(2000)], resamples=2000)
    half = 1.96 * np.sqrt(hits.mean() * (1 - hits.mean()) / 2000)
    assert interval == pytest.approx((hits.mean() - half, hits.mean() + half), abs=0.004)


def test_the_interval_is_wider_where_clips_of_a_source_agree():
    hits = np.repeat(np.random.default_rng(2).random(40) < 0.5, 25)
    single = bootstrap_interval(hits, [str(i) for i in range(1000)], resamples=1000)
    grouped = bootstrap_interval(hits, [str(i // 25) for i in range(1000)], resamples=1000)
    assert grouped[1] - grouped[0] > 3 * (single[1] - single[0])
