import numpy as np
import pytest
from sklearn.metrics import f1_score

from action_recognition.evaluation.intervals import (
    BLOCK_VALUES,
    Draws,
    Estimate,
    basic,
    bootstrap,
    bootstrap_interval,
    bounds,
    caution_of,
    draw_blocks,
)
from action_recognition.evaluation.metrics import METRICS, compute_metrics, metrics_of
from action_recognition.evaluation.outcomes import Outcomes


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


@pytest.mark.parametrize(("clips", "classes", "sources"), [(90, 4, 20), (90, 4, 1), (30, 2, 30), (40, 300, 9)])
def test_sums_over_sources_give_the_same_scores_as_copies_of_rows(clips: int, classes: int, sources: int) -> None:
    """The bootstrap by its definition: draw sources, gather their rows, compute the metric; then the percentiles."""
    generator = np.random.default_rng(clips + sources)
    probability_NK = generator.dirichlet(np.full(classes, 0.2), size=clips)
    label_N = generator.integers(0, classes, size=clips)
    group_N = np.append(np.arange(sources), generator.integers(0, sources, size=clips - sources))
    metrics = compute_metrics(probability_NK, label_N, [f"{group:02d}" for group in group_N], resamples=60)
    drawn_RG = np.random.default_rng(0).integers(0, sources, size=(60, sources))
    rows_R = [np.concatenate([np.flatnonzero(group_N == group) for group in drawn_G]) for drawn_G in drawn_RG]
    for name, metric in METRICS.items():
        score_R = [metric.compute(probability_NK[rows], label_N[rows]) for rows in rows_R]
        expected = Estimate(metric.compute(probability_NK, label_N), *np.quantile(score_R, [0.025, 0.975]))
        expected = basic(expected) if metric.grows_by_chance else expected
        assert metrics.estimates[name] == pytest.approx(expected, abs=1e-9), name


def test_draws_do_not_depend_on_the_size_of_blocks() -> None:
    whole = np.concatenate(list(draw_blocks(7, resamples=50)))
    parts = list(draw_blocks(7, resamples=50, width=BLOCK_VALUES // 3))
    assert len(parts) == 17
    assert np.array_equal(np.concatenate(parts), whole)
    assert (whole.sum(axis=1) == 7).all()


def test_a_draw_counts_a_source_as_often_as_it_comes_up() -> None:
    draws = Draws(np.array([0, 0, 1, 2]), np.array([[2.0, 0, 1], [0, 3, 0]]))
    value_N = np.array([1.0, 2, 4, 8])
    assert draws.sums(value_N).tolist() == [14, 12]
    assert draws.means(value_N).tolist() == [14 / 5, 4]
    assert draws.sums_by(np.array([0, 1, 1, 1]), 3).tolist() == [[2, 3, 0], [0, 3, 0]]
    assert draws.sums_by(np.array([0, 1, 1, 1]), 2, value_N).tolist() == [[2, 12], [0, 12]]
    assert draws.weight_RN.tolist() == [[2, 2, 0, 1], [0, 0, 3, 0]]


def test_draws_in_which_a_score_is_not_defined_are_left_out() -> None:
    score_RM = np.random.default_rng(3).random((41, 3))
    score_RM[::2, 1] = np.nan
    score_RM[:, 2] = np.nan
    low_M, high_M = bounds(score_RM)
    assert np.array([low_M, high_M])[:, :2] == pytest.approx(np.nanquantile(score_RM[:, :2], [0.025, 0.975], axis=0))
    assert np.isnan([low_M[2], high_M[2]]).all()


def test_a_metric_from_outside_has_an_interval_too() -> None:
    """It knows nothing of draws, and cannot be computed of every one of them."""

    def two_class_f1(probability_NK: np.ndarray, label_N: np.ndarray) -> float:
        if len(set(label_N)) < 2:
            raise ValueError("a draw of one class")
        return float(f1_score(label_N, probability_NK.argmax(axis=1), average="macro"))

    generator = np.random.default_rng(4)
    label_N = np.array([0] * 4 + [1] * 16)
    probability_NK = generator.dirichlet([1, 1], size=20)
    ours = METRICS["f1_macro"]
    outside = type(ours)(name="two_class_f1", label="F1", compute=two_class_f1)
    groups = [str(number // 2) for number in range(20)]
    METRICS[outside.name] = outside
    try:
        metrics = compute_metrics(probability_NK, label_N, groups, resamples=200)
        assert "two_class_f1" not in metrics_of(Outcomes.of(probability_NK, label_N), groups, resamples=5).values
    finally:
        del METRICS[outside.name]
    assert metrics.values["two_class_f1"] == pytest.approx(metrics.values["f1_macro"])
    found, known = metrics.estimates["two_class_f1"], metrics.estimates["f1_macro"]
    assert (found.low, found.high) == pytest.approx((known.low, known.high), abs=0.1)


def test_the_interval_of_a_perfectly_calibrated_model_reaches_down_to_no_error() -> None:
    """Chance alone makes gaps between confidence and accuracy. Percentiles would take them for errors of the model."""
    generator = np.random.default_rng(5)
    metric, held = METRICS["calibration_error"], []
    for _ in range(20):
        confidence_N = generator.uniform(0.5, 1, size=200)
        label_N = (generator.random(200) > confidence_N).astype(np.int64)  # class 0 is right as often as it says
        probability_NK = np.stack([confidence_N, 1 - confidence_N], axis=1)
        clips, groups = Outcomes.of(probability_NK, label_N), [str(number) for number in range(200)]
        value, low, high = metrics_of(clips, groups, resamples=200, names=["calibration_error"]).estimates[metric.name]
        assert low <= value <= high
        held.append(low < 0.01)
        ((percentiles,),) = bootstrap([lambda draws, c=clips: metric.weighted(c, draws)], groups, resamples=200)
        assert percentiles.low > 0.02
    assert np.mean(held) >= 0.8


def test_an_interval_over_few_sources_has_a_caution():
    probability_NK, label_N = np.eye(2)[[0, 1] * 10], np.array([0, 1] * 9 + [1, 0])
    few, many = (
        compute_metrics(probability_NK, label_N, [str(n % groups) for n in range(20)], resamples=20)
        for groups in (9, 10)
    )
    assert (few.groups, many.groups) == (9, 10)
    assert "only 9 sources" in few.caution
    assert many.caution == ""
    right = compute_metrics(np.eye(2)[[0, 1] * 10], np.array([0, 1] * 10), [str(n) for n in range(20)], resamples=20)
    assert right.caution.startswith("caution: every clip is right")


def test_an_interval_without_spread_has_a_caution():
    assert caution_of(Estimate(1.0, 1.0, 1.0), 12) == "no spread"
    assert caution_of(Estimate(1.0, 1.0, 1.0), 1) == "1 source, no spread"
    assert caution_of(Estimate(0.5, 0.3, 0.6), 12) == ""
