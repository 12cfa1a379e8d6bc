"""Calibration as `train` and `calibrate` do it, and one answer from every file made of the checkpoint."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.support import TINY_MODEL, moving_square, write_video
from mlflow import MlflowClient

from action_recognition import load
from action_recognition.models.module import VideoActionModel

LINE = (
    r"best\.ckpt: temperature (\d+\.\d\d)(?: \(95 % interval [\d. -]+\))?, threshold (\d\.\d\d), "
    r"from (\d+) validation clips: expected calibration error \d+\.\d % -> \d+\.\d %"
)


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three classes, 45 source videos each with one clip."""
    root = tmp_path_factory.mktemp("videos")
    for number, label in enumerate(("left", "right", "still")):
        for source in range(45):
            frames = moving_square(10, direction=number - 1, seed=100 * number + source)
            write_video(root / label / f"film {source} {label}.avi", frames)
    return root


@pytest.fixture
def words(videos: Path, tmp_path: Path) -> list[str]:
    return [
        "data=folder",
        f"data.videos_dir='{videos}'",
        "data.val_fraction=0.6",
        "data.batch_size=8",
        "data.num_workers=0",
        "data.test_clips=2",
        *TINY_MODEL,
        "clip.stride=2",
        "trainer.max_epochs=1",
        "trainer.accelerator=cpu",
        "trainer.precision=32-true",
        "trainer.memory_format=contiguous",
        "evaluation.bootstrap=50",
        f"plots_dir={tmp_path}/plots",
        f"trainer.run_dir={tmp_path}/run",
        "tracking.system_metrics=false",
    ]


def test_training_ends_with_a_calibrated_best_checkpoint(run_cli: Callable, words: list[str], tmp_path: Path) -> None:
    result = run_cli("train-ml-flow", *words)
    assert result.code == 0, result.err
    (found,) = re.findall(LINE, result.out)
    contract = VideoActionModel.from_checkpoint(tmp_path / "run/checkpoints/best.ckpt").contract
    assert (f"{contract.temperature:.2f}", f"{contract.threshold:.2f}", "57") == found
    assert contract.is_calibrated
    assert not VideoActionModel.from_checkpoint(tmp_path / "run/checkpoints/last.ckpt").contract.is_calibrated
    client = MlflowClient(f"sqlite:///{tmp_path}/plots/mlflow.db")
    (run,) = client.search_runs([experiment.experiment_id for experiment in client.search_experiments()])
    assert run.data.metrics["temperature"] == contract.temperature
    assert run.data.metrics["threshold"] == contract.threshold
    copies = list((tmp_path / "plots").rglob("artifacts/checkpoints/best.ckpt"))
    assert [VideoActionModel.from_checkpoint(path).contract for path in copies] == [contract]
    # The fit has ended already, and is not fitted again.
    again = run_cli("train", f"plots_dir={tmp_path}/plots", "trainer.resume=last")
    assert again.code == 0, again.err
    assert not re.search(LINE, again.out)
    # Another epoch may make a new best checkpoint, which is calibrated then.
    more = run_cli("train", f"plots_dir={tmp_path}/plots", "trainer.resume=last", "trainer.max_epochs=3")
    assert more.code == 0, more.err
    assert VideoActionModel.from_checkpoint(tmp_path / "run/checkpoints/best.ckpt").contract.is_calibrated


def test_calibrate_does_what_training_does(run_cli: Callable, words: list[str], tmp_path: Path) -> None:
    plain, calibrated = tmp_path / "plain", tmp_path / "calibrated"
    assert run_cli("train", *words, f"trainer.run_dir={calibrated}").code == 0
    result = run_cli("train", *words, f"trainer.run_dir={plain}", "trainer.calibrate=false")
    assert "temperature" not in result.out
    checkpoint = plain / "checkpoints/best.ckpt"
    assert not VideoActionModel.from_checkpoint(checkpoint).contract.is_calibrated
    judged = run_cli("infer", f"plots_dir={tmp_path}/plots")
    assert "not calibrated" in judged.out
    # Interrupted before it was calibrated, a run that goes on is.
    shutil.copytree(plain, tmp_path / "resumed")
    resumed = run_cli("train", f"trainer.resume={tmp_path}/resumed/checkpoints/last.ckpt", "trainer.calibrate=true")
    assert re.search(LINE, resumed.out), resumed.err + resumed.out
    for _ in range(2):  # once more changes nothing
        result = run_cli("calibrate", f"evaluation.checkpoint={checkpoint}")
        assert result.code == 0, result.err
        assert re.search(LINE, result.out)
        models = [path / "checkpoints/best.ckpt" for path in (plain, calibrated, tmp_path / "resumed")]
        contracts = [VideoActionModel.from_checkpoint(path).contract for path in models]
        assert contracts[0] == contracts[1] == contracts[2]
    assert f"export-onnx export.checkpoint={checkpoint}" in result.out
    judged = run_cli("infer", f"evaluation.checkpoint={checkpoint}", f"plots_dir={tmp_path}/plots")
    assert judged.code == 0, judged.err
    assert "not calibrated" not in judged.out


def test_every_file_gives_the_same_answer(run_cli: Callable, words: list[str], videos: Path, tmp_path: Path) -> None:
    from mlflow.pyfunc import load_model

    from action_recognition.serving.servable import save_servable

    assert run_cli("train", *words).code == 0
    checkpoint, onnx = tmp_path / "run/checkpoints/best.ckpt", tmp_path / "model.onnx"
    exported = run_cli("export-onnx", f"export.checkpoint={checkpoint}", f"export.onnx={onnx}")
    assert exported.code == 0, exported.err
    video = next((videos / "left").iterdir())
    model = VideoActionModel.from_checkpoint(checkpoint)
    assert abs(model.contract.temperature - 1) > 0.1
    by_torch, by_onnx = (load(path, device="cpu", overlap=0.0).predict(video) for path in (checkpoint, onnx))
    by_server = load_model(str(save_servable(tmp_path / "served", onnx_path=onnx, checkpoint=checkpoint))).predict(
        {"video": [video.read_bytes()]}
    )
    served = by_server["probabilities"][0]
    expected_K = np.array([served[name] for name in model.contract.class_names])
    np.testing.assert_allclose(by_torch.probabilities, by_onnx.probabilities, atol=1e-6)
    np.testing.assert_allclose(by_torch.probabilities, expected_K, atol=1e-6)
    raw = torch.tensor(expected_K).log() * model.contract.temperature
    assert not np.allclose(raw.softmax(dim=0).numpy(), expected_K, atol=1e-3)


@pytest.mark.parametrize(
    ("share", "line", "code"),
    [
        (0, "not calibrated: there are no validation clips", 1),
        (0.1, "not calibrated: 9 validation clips are few", 1),
        (0.3, "not calibrated: 27 validation clips are few", 0),
    ],
)
def test_a_training_without_enough_clips_says_so(
    run_cli: Callable, words: list[str], tmp_path: Path, share: float, line: str, code: int
) -> None:
    result = run_cli("train", *words, f"data.val_fraction={share}")
    assert result.code == 0, result.err
    assert line in result.out
    assert not VideoActionModel.from_checkpoint(tmp_path / "run/checkpoints/best.ckpt").contract.is_calibrated
    result = run_cli("calibrate", f"evaluation.checkpoint={tmp_path}/run/checkpoints/best.ckpt")
    assert result.code == code
    assert len(result.err.splitlines()) == code
    assert ("caution: so few validation clips" in result.out) == (code == 0)


def test_other_data_than_the_models_own_and_unreadable_clips(
    run_cli: Callable, words: list[str], videos: Path, tmp_path: Path
) -> None:
    own = tmp_path / "videos"
    shutil.copytree(videos, own)
    assert run_cli("train", *words, f"data.videos_dir={own}", "trainer.calibrate=false").code == 0
    checkpoint = tmp_path / "run/checkpoints/best.ckpt"
    before = checkpoint.read_bytes()
    other = run_cli("calibrate", f"evaluation.checkpoint={checkpoint}", "data.split_seed=1")
    assert other.code == 1
    assert "may have been trained on" in other.err
    assert checkpoint.read_bytes() == before
    whole = run_cli("calibrate", f"evaluation.checkpoint={checkpoint}", "evaluation.target_risk=0")
    assert whole.code == 0, whole.err
    assert VideoActionModel.from_checkpoint(checkpoint).contract.threshold > 0.3
