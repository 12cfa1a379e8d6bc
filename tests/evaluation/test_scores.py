"""Every score against scikit-learn, on random cases of all sizes, with ties and missing classes."""

import numpy as np
import pytest
from sklearn import metrics as sklearn

from action_recognition.evaluation.classes import confusion_matrix
from action_recognition.evaluation.metrics import METRICS, compute_metrics

CASES = [(300, 7, 7), (300, 7, 3), (1, 2, 2), (40, 2, 2), (40, 2, 1), (500, 51, 51), (60, 51, 30), (200, 1000, 80)]


def case(clips: int, classes: int, present: int, *, ties: bool) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities that lean to the label, and labels of the first `present` classes."""
    generator = np.random.default_rng(clips + classes)
    label_N = generator.integers(0, present, size=clips)
    probability_NK = generator.dirichlet(np.full(classes, 0.3), size=clips)
    probability_NK[np.arange(clips), label_N] += 0.4
    if ties:
        probability_NK = np.ceil(4 * probability_NK)
    return probability_NK / probability_NK.sum(axis=1, keepdims=True), label_N


def expected(probability_NK: np.ndarray, label_N: np.ndarray) -> dict[str, float]:
    """By scikit-learn. Of equal probabilities the lower class number is taken, by a decrease too small to matter."""
    classes = probability_NK.shape[1]
    untied_NK = probability_NK - 1e-9 * np.arange(classes)
    predicted_N = probability_NK.argmax(axis=1)
    values = {f"top{k}": 1.0 for k in (3, 5)}
    for k in (3, 5):
        if k < classes:
            values[f"top{k}"] = sklearn.top_k_accuracy_score(label_N, untied_NK, k=k, labels=range(classes))
    for average in ("macro", "weighted"):
        found = sklearn.precision_recall_fscore_support(label_N, predicted_N, average=average, zero_division=0)
        values |= {
            f"{name}_{average}": score for name, score in zip(("precision", "recall", "f1"), found, strict=False)
        }
    brier = {"labels": range(classes), "scale_by_half": False}
    return values | {
        "top1": sklearn.accuracy_score(label_N, predicted_N),
        "mean_class_accuracy": sklearn.recall_score(
            label_N, predicted_N, labels=np.unique(label_N), average="macro", zero_division=0
        ),
        "log_loss": sklearn.log_loss(label_N, probability_NK, labels=range(classes)),
        "brier": sklearn.brier_score_loss(label_N, probability_NK, **brier)
        if classes > 2
        else two_class_brier(probability_NK, label_N),
        "calibration_error": expected_calibration_error(probability_NK, label_N),
    }


def two_class_brier(probability_NK: np.ndarray, label_N: np.ndarray) -> float:
    """scikit-learn's score of two classes is that of one of them."""
    return 2 * float(sklearn.brier_score_loss(label_N, probability_NK[:, 1], labels=[0, 1]))


def expected_calibration_error(probability_NK: np.ndarray, label_N: np.ndarray) -> float:
    """A loop over bins, as in Guo et al. 2017."""
    confidence_N = probability_NK.max(axis=1)
    right_N = probability_NK.argmax(axis=1) == label_N
    total = 0.0
    for low, high in zip(np.linspace(0, 1, 16)[:-1], np.linspace(0, 1, 16)[1:], strict=True):
        inside_N = (confidence_N > low) & (confidence_N <= high)
        if inside_N.any():
            total += inside_N.mean() * abs(right_N[inside_N].mean() - confidence_N[inside_N].mean())
    return total


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize(("clips", "classes", "present"), CASES)
def test_scores_agree_with_scikit_learn(clips: int, classes: int, present: int, ties: bool) -> None:
    probability_NK, label_N = case(clips, classes, present, ties=ties)
    metrics = compute_metrics(probability_NK, label_N, [str(n) for n in range(clips)], resamples=20)
    assert metrics.values == pytest.approx(expected(probability_NK, label_N), abs=1e-9)
    assert list(metrics.values) == list(METRICS)
    for name, estimate in metrics.estimates.items():
        alone = METRICS[name].compute(probability_NK, label_N)
        assert alone == pytest.approx(estimate.value, abs=1e-12)
    predicted_N = probability_NK.argmax(axis=1)
    expected_KK = sklearn.confusion_matrix(label_N, predicted_N, labels=range(classes))
    assert np.array_equal(confusion_matrix(predicted_N, label_N, classes), expected_KK)


def test_small_sets_of_all_kinds_agree_with_scikit_learn() -> None:
    generator = np.random.default_rng(0)
    for number in range(60):
        classes = int(generator.integers(2, 7))
        clips, present = int(generator.integers(1, 25)), int(generator.integers(1, classes + 1))
        probability_NK, label_N = case(clips, classes, present, ties=number % 2 == 0)
        found = {name: metric.compute(probability_NK, label_N) for name, metric in METRICS.items()}
        assert found == pytest.approx(expected(probability_NK, label_N), abs=1e-9), (clips, classes, present)
