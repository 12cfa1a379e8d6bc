import numpy as np
import pytest
from sklearn.metrics import accuracy_score, balanced_accuracy_score, confusion_matrix, top_k_accuracy_score

from action_recognition.evaluation.evaluate import confusion_matrix as our_confusion_matrix
from action_recognition.evaluation.metrics import bootstrap_interval, compute_metrics


@pytest.fixture
def scores():
    generator = np.random.default_rng(0)
    label_N = generator.integers(0, 7, size=300)
    probability_NK = generator.dirichlet(np.ones(7), size=300)
    probability_NK[np.arange(300), label_N] += 0.15
    return probability_NK, label_N


def test_scores_agree_with_scikit_learn(scores):
    probability_NK, label_N = scores
    metrics = compute_metrics(probability_NK, label_N, [str(i) for i in range(300)], resamples=100)
    predicted_N = probability_NK.argmax(axis=1)
    assert metrics.top1 == pytest.approx(accuracy_score(label_N, predicted_N))
    assert metrics.top3 == pytest.approx(top_k_accuracy_score(label_N, probability_NK, k=3))
    assert metrics.top5 == pytest.approx(top_k_accuracy_score(label_N, probability_NK, k=5))
    assert metrics.mean_class_accuracy == pytest.approx(balanced_accuracy_score(label_N, predicted_N))
    assert metrics.clips == 300
    assert metrics.top1_low < metrics.top1 < metrics.top1_high
    assert np.array_equal(our_confusion_matrix(predicted_N, label_N, 7), confusion_matrix(label_N, predicted_N))


def test_absent_classes_do_not_lower_the_mean(scores):
    probability_NK, label_N = scores
    keep = label_N < 3
    metrics = compute_metrics(probability_NK[keep], label_N[keep], ["s"] * int(keep.sum()), resamples=10)
    recalls = [(probability_NK[label_N == k].argmax(axis=1) == k).mean() for k in range(3)]
    assert metrics.mean_class_accuracy == pytest.approx(np.mean(recalls))


def test_the_interval_is_the_normal_one_where_clips_are_independent():
    hits = np.random.default_rng(1).random(2000) < 0.3
    low, high = bootstrap_interval(hits, [str(i) for i in range(2000)], resamples=2000)
    half = 1.96 * np.sqrt(hits.mean() * (1 - hits.mean()) / 2000)
    assert low == pytest.approx(hits.mean() - half, abs=0.004)
    assert high == pytest.approx(hits.mean() + half, abs=0.004)


def test_the_interval_is_wider_where_clips_of_a_source_agree():
    hits = np.repeat(np.random.default_rng(2).random(40) < 0.5, 25)
    single = bootstrap_interval(hits, [str(i) for i in range(1000)], resamples=1000)
    grouped = bootstrap_interval(hits, [str(i // 25) for i in range(1000)], resamples=1000)
    assert grouped[1] - grouped[0] > 3 * (single[1] - single[0])
