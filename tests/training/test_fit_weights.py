"""Training that starts from pretrained weights."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from conftest import Outcome
from rich.console import Console

from action_recognition.errors import ConfigError
from action_recognition.models.networks import build_network
from action_recognition.training.fit import TrainResult


def test_training_starts_from_the_weights_and_a_resumed_run_does_not(
    run: Callable[..., TrainResult], console: Console, tmp_path: Path
) -> None:
    torch.manual_seed(3)
    given = build_network("cnn3d", clip_shape=(3, 4, 32, 32), num_classes=9, widths=[4, 4, 4]).state_dict()
    torch.save(given, tmp_path / "given.pth")
    settings = [f"model.weights={tmp_path}/given.pth", "optimizer.lr=1e-12", "trainer.run_dir=run"]
    run(*settings, "trainer.max_epochs=1")
    line = f"weights cnn3d {tmp_path}/given.pth: 18 of 20 tensors matched; left out: head (9 classes, here 2)"
    assert line in console.export_text()
    last = torch.load(tmp_path / "run/checkpoints/last.ckpt", weights_only=True)["state_dict"]
    for name, tensor in given.items():
        if not name.startswith("head.") and "running" not in name and "tracked" not in name:
            torch.testing.assert_close(last[f"network.{name}"], tensor)

    run(*settings, "trainer.max_epochs=2", f"trainer.resume={tmp_path}/run/checkpoints/last.ckpt")
    assert "tensors matched" not in console.export_text()


def test_weights_that_are_not_there_are_one_line(run: Callable[..., TrainResult]) -> None:
    with pytest.raises(ConfigError, match=r"model\.weights=nowhere\.pth: no such file"):
        run("model.weights=nowhere.pth")
    assert not Path("plots/runs").exists()


def test_weights_are_looked_for_before_anything_else(run_cli: Callable[..., Outcome], tmp_path: Path) -> None:
    """Before the data, which has no clips, is read; and no folder is left of a run that never started."""
    for name in ("videos", "splits"):
        (tmp_path / name).mkdir()
    outcome = run_cli("train", "experiment=hmdb51_transfer", "data.videos_dir=videos", "data.splits_dir=splits")
    assert outcome.code == 1
    (line,) = outcome.err.splitlines()
    assert line.startswith(
        "error: model.weights.appearance=weights/mobilenet_v2_imagenet_bnfolded_fp16.pt: no such file"
    )
    assert "docs/models.md" in line
    assert "model.weights.appearance=IMAGENET1K_V1" in line
    assert not (tmp_path / "plots").exists()
