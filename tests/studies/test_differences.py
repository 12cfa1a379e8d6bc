"""Paired differences and McNemar's test, against scikit-learn on copied rows and against binomial coefficients."""

import warnings
from dataclasses import replace
from math import comb

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score, log_loss, recall_score

from action_recognition.evaluation.intervals import draw_blocks
from action_recognition.evaluation.metrics import compute_metrics
from action_recognition.studies.differences import Difference, Judged, agreement, class_pairs, metric_pairs

RESAMPLES = 60


def judged_clips(clips: int = 80, classes: int = 4, sources: int = 12, *, gain: float = 0.5, seed: int = 0) -> Judged:
    """Two models that agree in part; the second leans more to the label."""
    generator = np.random.default_rng(seed)
    label_N = generator.integers(0, classes, size=clips)
    logits_NK = generator.normal(size=(clips, classes)) + 1.0 * np.eye(classes)[label_N]
    others_NK = logits_NK + generator.normal(size=(clips, classes)) * 0.7 + gain * np.eye(classes)[label_N]
    both = (np.exp(each) / np.exp(each).sum(axis=1, keepdims=True) for each in (logits_NK, others_NK))
    first_NK, second_NK = both
    groups = [f"film {number}" for number in generator.integers(0, sources, size=clips)]
    return Judged(first_NK=first_NK, second_NK=second_NK, label_N=label_N, groups=groups)


def copied_rows(judged: Judged) -> list[np.ndarray]:
    """The rows of each draw, a clip as often as its source video was drawn."""
    _, group_N = np.unique(judged.groups, return_inverse=True)
    counts_RG = np.concatenate(list(draw_blocks(group_N.max() + 1, resamples=RESAMPLES)))
    return [np.repeat(np.arange(len(group_N)), count_G.astype(int)[group_N]) for count_G in counts_RG]


def test_intervals_are_those_of_copied_rows() -> None:
    judged = judged_clips()
    label_N, classes = judged.label_N, judged.first_NK.shape[1]
    everything = range(classes)
    scores = {
        "top1": lambda p_NK, rows: accuracy_score(label_N[rows], p_NK[rows].argmax(axis=1)),
        "log_loss": lambda p_NK, rows: log_loss(label_N[rows], p_NK[rows], labels=everything),
        "f1_macro": lambda p_NK, rows: f1_score(
            label_N[rows], p_NK[rows].argmax(axis=1), average="macro", zero_division=0
        ),
    }
    found = metric_pairs(judged, resamples=RESAMPLES)
    rows_R, all_rows = copied_rows(judged), np.arange(len(label_N))
    for name, score in scores.items():
        pair = found[name]
        first, second = (score(each, all_rows) for each in (judged.first_NK, judged.second_NK))
        assert pair.first.value == pytest.approx(first, abs=1e-9)
        assert pair.second.value == pytest.approx(second, abs=1e-9)
        drawn_R = [score(judged.second_NK, rows) - score(judged.first_NK, rows) for rows in rows_R]
        expected = (second - first, *np.quantile(drawn_R, [0.025, 0.975]))
        assert (pair.difference.value, pair.difference.low, pair.difference.high) == pytest.approx(expected, abs=1e-9)
        assert pair.difference.sources == len(set(judged.groups))


def test_each_models_own_figures_are_those_of_its_evaluation() -> None:
    judged = judged_clips()
    found = metric_pairs(judged, resamples=RESAMPLES)
    for letter, probability_NK in (("first", judged.first_NK), ("second", judged.second_NK)):
        expected = compute_metrics(probability_NK, judged.label_N, judged.groups, resamples=RESAMPLES).estimates
        assert {name: getattr(pair, letter) for name, pair in found.items()} == expected


def test_accuracy_by_class_is_that_of_copied_rows() -> None:
    judged = judged_clips(clips=60, classes=3)
    judged = Judged(
        first_NK=np.pad(judged.first_NK, ((0, 0), (0, 1))),  # a class without clips
        second_NK=np.pad(judged.second_NK, ((0, 0), (0, 1))),
        label_N=judged.label_N,
        groups=judged.groups,
    )
    found = class_pairs(judged, resamples=RESAMPLES)

    def recall(probability_NK: np.ndarray, rows: np.ndarray) -> np.ndarray:
        truth, said = judged.label_N[rows], probability_NK[rows].argmax(axis=1)
        return recall_score(truth, said, labels=range(3), average=None, zero_division=np.nan)

    drawn_RK = [recall(judged.second_NK, rows) - recall(judged.first_NK, rows) for rows in copied_rows(judged)]
    low_K, high_K = np.nanquantile(drawn_RK, [0.025, 0.975], axis=0)
    for number in range(3):
        of_class = {group for group, label in zip(judged.groups, judged.label_N, strict=True) if label == number}
        assert found[number].difference.sources == len(of_class)
        assert found[number].difference.low == pytest.approx(low_K[number])
        assert found[number].difference.high == pytest.approx(high_K[number])
    assert np.isnan(found[3].difference.value)
    assert not found[3].difference.beyond_chance


@pytest.mark.parametrize("seed", range(4))
def test_mcnemars_test_is_the_binomial_one(seed: int) -> None:
    judged = judged_clips(gain=1.5, seed=seed)
    first_N, second_N = (each.argmax(axis=1) == judged.label_N for each in (judged.first_NK, judged.second_NK))
    found = agreement(judged)
    counts = [
        sum(bool(a) is one and bool(b) is other for a, b in zip(first_N, second_N, strict=True))
        for one, other in ((True, True), (True, False), (False, True), (False, False))
    ]
    assert [found.both, found.only_first, found.only_second, found.neither] == counts
    _, b, c, _ = counts
    expected = min(1.0, 2 * sum(comb(b + c, i) for i in range(min(b, c) + 1)) / 2 ** (b + c))
    assert found.p_value == pytest.approx(expected)


@pytest.mark.parametrize("classes", [2, 1000])
def test_a_model_does_not_differ_from_itself(classes: int) -> None:
    judged = judged_clips(clips=40, classes=classes)
    same = replace(judged, second_NK=judged.first_NK)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pairs = [*metric_pairs(same, resamples=20).values(), *class_pairs(same, resamples=20)]
    for pair in pairs:
        values = (pair.difference.value, pair.difference.low, pair.difference.high)
        assert values == (0, 0, 0) or np.isnan(values[0])
        assert not pair.difference.beyond_chance
    assert agreement(same).p_value == 1


def test_paired_intervals_are_narrower_than_the_two_alone_where_models_agree() -> None:
    found = metric_pairs(judged_clips(clips=300, sources=60, gain=0.2), resamples=200)["top1"]
    alone = np.hypot(found.first.high - found.first.low, found.second.high - found.second.low)
    assert found.difference.high - found.difference.low < 0.8 * alone


def test_a_single_source_video_proves_nothing() -> None:
    alone = replace(judged_clips(clips=80, gain=5), groups=["film"] * 80)
    difference = metric_pairs(alone, resamples=20)["top1"].difference
    assert difference.value > 0
    assert not difference.beyond_chance
    assert str(difference).endswith(", of only 1 source video, within the noise")
    assert Difference(value=0.1, low=0.05, high=0.2, sources=2).beyond_chance
