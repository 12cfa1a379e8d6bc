import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from mlflow import MlflowClient
from sklearn.metrics import accuracy_score, confusion_matrix, top_k_accuracy_score

from action_recognition.evaluation.evaluate import confusion_matrix as our_confusion_matrix
from action_recognition.evaluation.metrics import METRICS, Metric, compute_metrics, register_metric


@pytest.mark.parametrize("present", [7, 3])  # absent classes do not lower the mean
def test_scores_agree_with_scikit_learn(present):
    generator = np.random.default_rng(0)
    label_N = generator.integers(0, present, size=300)
    probability_NK = generator.dirichlet(np.ones(7), size=300)
    probability_NK[np.arange(300), label_N] += 0.15
    metrics = compute_metrics(probability_NK, label_N, [str(i) for i in range(300)], resamples=100)
    predicted_N, classes = probability_NK.argmax(axis=1), range(7)
    recalls = [(predicted_N[label_N == k] == k).mean() for k in range(present)]
    assert metrics.values == pytest.approx(
        {
            "top1": accuracy_score(label_N, predicted_N),
            "top3": top_k_accuracy_score(label_N, probability_NK, k=3, labels=classes),
            "top5": top_k_accuracy_score(label_N, probability_NK, k=5, labels=classes),
            "mean_class_accuracy": np.mean(recalls),
        }
    )
    assert metrics.clips == 300
    assert metrics.top1_low < metrics.top1 < metrics.top1_high
    expected_KK = confusion_matrix(label_N, predicted_N, labels=classes)
    assert np.array_equal(our_confusion_matrix(predicted_N, label_N, 7), expected_KK)


def surprise(probability_NK: np.ndarray, label_N: np.ndarray) -> float:
    return float(-np.log(probability_NK[np.arange(len(label_N)), label_N]).mean())


@pytest.fixture
def registered() -> Iterator[Metric]:
    """A metric from outside the package, which is not a share and is better when lower."""
    metric = Metric(name="log_loss", label="log loss", compute=surprise, higher_is_better=False, is_share=False)
    register_metric(metric)
    yield metric
    del METRICS[metric.name]


def test_a_metric_from_outside_is_written_recorded_shown_and_compared(
    registered: Metric, run_cli: Callable, tiny_overrides: list[str], tmp_path: Path
) -> None:
    assert run_cli("train-ml-flow", *tiny_overrides, "trainer.max_epochs=1").code == 0
    judged = run_cli("infer-ml-flow", *tiny_overrides)
    assert judged.code == 0, judged.err
    written = json.loads((tmp_path / "plots/metrics.json").read_text())
    expected = ["top1", "top3", "top5", "mean_class_accuracy", "log_loss", "clips", "groups", "top1_low", "top1_high"]
    assert list(written) == expected
    assert 0 < written["log_loss"] < math.inf
    assert all(text in judged.out for text in ("log loss", f"{written['log_loss']:.4g}"))

    client = MlflowClient(f"sqlite:///{tmp_path}/plots/mlflow.db")
    runs = client.search_runs([experiment.experiment_id for experiment in client.search_experiments()])
    assert [run.data.metrics["test_log_loss"] for run in runs] == [written["log_loss"]] * 2  # evaluation and training

    compared = run_cli("compare-runs", f"plots_dir={tmp_path}/plots", "compare.metric=log_loss")
    assert compared.code == 0, compared.err
    for text in (compared.out, (tmp_path / "plots/compare/compare.md").read_text()):
        assert "log loss" in text
        assert f"{written['log_loss']:.4g}" in text


@pytest.mark.parametrize("name", ["top1", "clips", "values", "Top-2", ""])
def test_names_that_are_taken_or_no_keys_are_refused(name):
    with pytest.raises(ValueError, match="metric"):
        register_metric(Metric(name=name, label="x", compute=surprise))
    assert len(METRICS) == 4
