import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from mlflow import MlflowClient

from action_recognition.evaluation.metrics import METRICS, Metric, register_metric


def surprise(probability_NK: np.ndarray, label_N: np.ndarray) -> float:
    return float(-np.log(probability_NK[np.arange(len(label_N)), label_N]).mean())


@pytest.fixture
def registered() -> Iterator[Metric]:
    """A metric from outside the package, which is not a share and is better when lower."""
    metric = Metric(name="surprise", label="mean surprise", compute=surprise, higher_is_better=False, is_share=False)
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
    assert 0 < written["surprise_low"] <= written["surprise"] <= written["surprise_high"] < math.inf
    assert written["surprise"] == pytest.approx(written["log_loss"], abs=1e-9)
    assert "clip_surprise" not in written  # it needs all probabilities
    assert all(text in judged.out for text in ("mean surprise", f"{written['surprise']:.4g}"))

    client = MlflowClient(f"sqlite:///{tmp_path}/plots/mlflow.db")
    runs = client.search_runs([experiment.experiment_id for experiment in client.search_experiments()])
    assert [run.data.metrics["test_surprise"] for run in runs] == [written["surprise"]] * 2  # evaluation and training

    compared = run_cli("compare-runs", f"plots_dir={tmp_path}/plots", "compare.metric=surprise")
    assert compared.code == 0, compared.err
    for text in (compared.out, (tmp_path / "plots/compare/compare.md").read_text()):
        assert "mean surprise" in text
        assert f"{written['surprise']:.4g}" in text


@pytest.mark.parametrize("name", ["top1", "clips", "views", "clip_top2", "top2_low", "Top-2", ""])
def test_names_that_are_taken_or_no_keys_are_refused(name):
    before = list(METRICS)
    with pytest.raises(ValueError, match="metric"):
        register_metric(Metric(name=name, label="x", compute=surprise))
    assert list(METRICS) == before
