"""The registered version of a trained model: where it is, what it is, and how well it does."""

from collections.abc import Callable
from pathlib import Path

import pytest
from mlflow import MlflowClient
from rich.console import Console

from action_recognition.cli.train import run_training
from action_recognition.config import Config


def test_a_version_says_what_it_is_and_gets_its_test_scores(
    tiny_config: Config, tmp_path: Path, run_cli: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    console = Console(record=True, width=300)
    run_training(tiny_config, console=console, command="train-ml-flow-server-dvc", mlflow=True, servable=True)
    assert "models:/video_action_model@champion" in console.export_text()
    client = MlflowClient(f"sqlite:///{tmp_path}/plots/mlflow.db")
    version = client.get_model_version_by_alias("video_action_model", "champion")
    assert version.description.startswith("**Training:** cnn3d on hmdb51, split 1")
    assert 0 <= float(version.tags["val_top1"]) <= 1
    assert "test_top1" not in version.tags
    assert "base64" in client.get_registered_model("video_action_model").description

    # The last weights are not what is registered.
    plots = f"plots_dir={tmp_path}/plots"
    assert run_cli("infer-ml-flow", plots, "evaluation.checkpoint=last").code == 0
    assert "test_top1" not in client.get_model_version_by_alias("video_action_model", "champion").tags
    assert run_cli("infer-ml-flow", plots).code == 0
    version = client.get_model_version_by_alias("video_action_model", "champion")
    scored = client.get_run(version.run_id).data.metrics["test_top1"]
    assert float(version.tags["test_top1"]) == pytest.approx(scored, abs=1e-4)
    assert version.description.count("**Test:** top-1 ") == 1
    assert "**Training:**" in version.description
