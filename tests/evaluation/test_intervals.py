import numpy as np
import pytest

from action_recognition.evaluation.intervals import bootstrap_interval
from action_recognition.evaluation.metrics import compute_metrics


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


def test_an_interval_over_few_sources_has_a_caution():
    probability_NK, label_N = np.eye(2)[[0, 1] * 10], np.array([0, 1] * 10)
    few, many = (
        compute_metrics(probability_NK, label_N, [str(n % groups) for n in range(20)], resamples=20)
        for groups in (9, 10)
    )
    assert (few.groups, many.groups) == (9, 10)
    assert "only 9 sources" in few.caution
    assert many.caution == ""
