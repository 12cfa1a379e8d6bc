"""Trainings whose loss or weights become infinite or NaN: stopped in one line, and nothing of them is kept or used."""

import lightning as L
import numpy as np
import onnx
import pytest
import torch
from helpers.tiny_models import exported_bytes, save_checkpoint, tiny_model
from lightning.pytorch.callbacks import Callback
from rich.console import Console

from action_recognition.data.datamodule import ClipDataModule, make_contract
from action_recognition.datasets.manifest import build_manifest
from action_recognition.errors import ContractError, NumericsError
from action_recognition.evaluation.predictions import predict_split
from action_recognition.inference.backends import load_backend
from action_recognition.models.module import VideoActionModel
from action_recognition.models.weight_files import read_state_dict
from action_recognition.training.feature_cache import as_stored
from action_recognition.training.fit import train
from action_recognition.training.loss_guard import LossGuard
from action_recognition.utils.finite import check_logits, not_finite


class Spoil(Callback):
    """Put NaN into the classifier at one moment, as a diverging step would."""

    def __init__(self, hook: str, *, epoch: int, batch_idx: int | None = None) -> None:
        self.moment = (epoch, batch_idx)
        setattr(self, hook, self.spoil)

    def spoil(self, trainer: L.Trainer, model: L.LightningModule, *rest: object) -> None:
        batch_idx = next((value for value in rest if isinstance(value, int)), None)
        if (trainer.current_epoch, batch_idx) == self.moment:
            with torch.no_grad():
                next(model.network.head.parameters())[0] = torch.nan


def checkpoints(config):
    return {path.name: torch.load(path, weights_only=True) for path in config.rglob("*.ckpt")}


def test_training_stops_at_the_step_whose_loss_is_nan_and_keeps_what_it_had(tiny_config, tmp_path):
    tiny_config.trainer.max_epochs = 4
    spoiler = Spoil("on_train_batch_start", epoch=2, batch_idx=1)
    with pytest.raises(NumericsError) as raised:
        train(tiny_config, console=Console(), callbacks=[spoiler])
    line = str(raised.value)
    assert "\n" not in line
    assert "the training loss is nan at step 8 (batch 2 of epoch 3)" in line
    assert "try optimizer.lr=0.0002" in line
    assert "best.ckpt and last.ckpt of earlier epochs stay in" in line
    left = checkpoints(tmp_path)
    assert set(left) == {"best.ckpt", "last.ckpt"}
    assert left["last.ckpt"]["epoch"] == 1
    assert not any(not_finite(checkpoint["state_dict"]) for checkpoint in left.values())


def test_a_learning_rate_that_diverges_leaves_no_checkpoint(tiny_config, tmp_path):
    # The most that the schema allows: each step multiplies the weights by a thousand million.
    settings = tiny_config.optimizer
    settings.name, settings.lr, settings.weight_decay, settings.warmup_epochs = "adamw", 1e6, 1000, 0
    with pytest.raises(NumericsError, match=r"loss is (nan|inf) at step \d .*nothing was saved"):
        train(tiny_config, console=Console())
    assert checkpoints(tmp_path) == {}


@pytest.mark.parametrize(
    ("hook", "batch_idx", "val_fraction", "said"),
    [
        # In the first step the learning rate is not blamed.
        ("start", 0, 0.25, r"loss is nan at step 1 .*other model\.weights or clip\.mean.*nothing was"),
        # What only the last step spoils shows in validation, or in the weights.
        ("end", 2, 0.25, r"validation loss is nan"),
        ("end", 3, 0.0, r"weights are infinite or NaN"),
    ],
)
def test_spoilt_weights_are_never_saved(tiny_config, tmp_path, hook, batch_idx, val_fraction, said):
    tiny_config.trainer.max_epochs, tiny_config.data.val_fraction = 1, val_fraction
    spoiler = Spoil(f"on_train_batch_{hook}", epoch=0, batch_idx=batch_idx)
    with pytest.raises(NumericsError, match=said):
        train(tiny_config, console=Console(), callbacks=[spoiler])
    assert checkpoints(tmp_path) == {}


def test_averaged_weights_are_looked_at_too(tiny_config, tmp_path):
    tiny_config.trainer.ema_decay = 0.9
    with pytest.raises(NumericsError):
        train(tiny_config, console=Console(), callbacks=[Spoil("on_train_epoch_end", epoch=1)])
    epochs = {name: content["epoch"] for name, content in checkpoints(tmp_path).items()}
    assert epochs == {"best.ckpt": 0, "last.ckpt": 0}


def test_a_mean_loss_does_not_leave_nan_out():
    model = tiny_model()
    for metric in (model.train_loss, model.val_loss):
        metric(torch.tensor(1.0), weight=4)
        metric(torch.tensor(torch.nan), weight=4)
        assert metric.compute().isnan()


def test_advice_suits_the_moment_and_the_precision(tmp_path):
    guard = LossGuard(lr=0.1, precision="bf16-mixed", gradient_clip=None, checkpoints=tmp_path)
    assert "trainer.precision=bf16-mixed may overflow: try trainer.precision=32-true;" in guard._advice(first_step=True)
    later = guard._advice()
    assert "try optimizer.lr=0.01 or trainer.gradient_clip=1 or trainer.precision=32-true; nothing was saved" in later
    guard.precision = "32-true"
    assert "clip.mean" in guard._advice(first_step=True)


def test_a_checkpoint_of_nan_weights_is_refused_by_name(tmp_path):
    model = tiny_model()
    with torch.no_grad():
        model.network.head[-1].weight[0, 0] = torch.inf
    path = save_checkpoint(model, tmp_path / "bad.ckpt")
    with pytest.raises(ContractError, match=r"bad\.ckpt: weights that are infinite or NaN: 1 of 12 values of n"):
        VideoActionModel.from_checkpoint(path)
    with pytest.raises(ContractError, match="infinite or NaN"):
        load_backend(path, kind="torch", device="cpu")
    with pytest.raises(ContractError, match=r"infinite or NaN.*another copy"):
        read_state_dict(path)


def test_an_onnx_file_of_nan_weights_from_elsewhere_is_refused(tmp_path):
    proto = onnx.load_from_string(exported_bytes())
    del proto.metadata_props[-1]  # the checksum
    weight = next(tensor for tensor in proto.graph.initializer if len(tensor.dims) > 1)
    value = onnx.numpy_helper.to_array(weight).copy()
    value.flat[0] = np.nan
    weight.CopyFrom(onnx.numpy_helper.from_array(value, weight.name))
    (path := tmp_path / "bad.onnx").write_bytes(proto.SerializeToString())
    with pytest.raises(ContractError, match=r"bad\.onnx: weights that are infinite or NaN: 1 of "):
        load_backend(path, kind="onnx", device="cpu")


def test_outputs_that_are_not_finite_are_not_scored(tiny_config, tmp_path):
    class Overflowing(torch.nn.Module):
        device = torch.device("cpu")

        def forward(self, clip_BCTHW):
            return torch.full((len(clip_BCTHW), 2), torch.nan)

    manifest = build_manifest(tiny_config)
    datamodule = ClipDataModule(tiny_config, manifest, make_contract(tiny_config, manifest), seed=0)
    with pytest.raises(NumericsError, match=r"batch 1 of the test split.*logits"):
        predict_split(Overflowing(), datamodule, "test", Console())
    check_logits(np.zeros((2, 3)), origin="fine")


def test_features_too_large_for_float16_are_refused():
    assert as_stored(torch.tensor([[60000.0]])).item() == 60000.0
    with pytest.raises(NumericsError, match="over 65504"):
        as_stored(torch.tensor([[70000.0]]))
