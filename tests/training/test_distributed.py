import os
import subprocess
import sys

import pytest
import torch
from helpers.support import ROOT, latest_of_each_key
from mlflow.tracking import MlflowClient

from action_recognition.training.callbacks import read_history

# Without batch norm, which on CPUs sees its own process's clips only, and dropout, which each process draws for itself.
NETWORK = ["model=c3d_original", "model.args.widths=[4,4,4,4,4]", "model.args.fc=[8]", "model.args.dropout=0"]


def command(*words, cwd):
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    words = latest_of_each_key(words)
    arguments = [sys.executable, str(ROOT / "commands.py"), *words]
    return subprocess.run(arguments, cwd=cwd, env=environment, capture_output=True, text=True, timeout=240)


def test_two_processes_train_as_one_with_the_same_global_batch(tiny_overrides, run_cli, tmp_path):
    words = [*tiny_overrides, *NETWORK, "data.val_fraction=0.3"]
    alone = run_cli("train", *words, "data.batch_size=6", "trainer.run_dir=one")
    two = ["data.batch_size=3", "trainer.devices=2", "trainer.run_dir=two"]
    both = command("train-ml-flow", *words, *two, cwd=tmp_path)
    assert (alone.code, both.returncode) == (0, 0), alone.err + both.stderr
    rows = [read_history(tmp_path / name / "history.csv") for name in ("one", "two")]
    for first, second in zip(*rows, strict=True):
        for name in ("train_loss", "train_top1", "train_f1", "val_loss", "val_top1", "val_top5", "val_f1"):
            assert second[name] == pytest.approx(first[name], abs=1e-4), name
    checkpoints = [tmp_path / name / "checkpoints/last.ckpt" for name in ("one", "two")]
    states = [torch.load(path, weights_only=True)["state_dict"] for path in checkpoints]
    for name, value in states[0].items():
        assert torch.allclose(value.float(), states[1][name].float(), atol=1e-4), name
    # The second process is silent.
    assert both.stdout.count("best validation top-1") == 1
    assert both.stdout.count("epoch   1/2") == 1
    assert "Error" not in both.stderr
    client = MlflowClient(f"sqlite:///{tmp_path}/plots/mlflow.db")
    runs = client.search_runs([experiment.experiment_id for experiment in client.search_experiments()])
    assert [run.info.status for run in runs] == ["FINISHED"]
    assert runs[0].data.tags["device"].startswith("2 x ")
