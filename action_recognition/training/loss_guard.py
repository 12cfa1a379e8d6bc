"""End training at the first loss that is infinite or NaN, and write no checkpoint of such weights."""

from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor

from action_recognition.errors import DataError, NumericsError
from action_recognition.utils.finite import not_finite

# Steps between two readings of the loss where reading waits for the device.
READ_EVERY = 50


class LossGuard(Callback):
    """Raise `NumericsError` at the first loss that is not finite.

    Reading a loss from a GPU waits until its step is computed. So the first bad loss is remembered on the device, and
    read every `READ_EVERY` steps, before each validation and after each epoch. On a CPU it is read after each step.
    Infinite gradients under mixed precision are allowed: its scaler skips those steps, and their loss is finite.

    Weights are checked before a checkpoint is written, because weights of the last step of an epoch, and averaged
    weights, have given no training loss yet.

    Raises `DataError` if no clip at all could be read.

    Args:
        lr, precision, gradient_clip: of the run, for the advice.
        checkpoints: the folder of the run's checkpoints.
    """

    def __init__(self, *, lr: float, precision: str, gradient_clip: float | None, checkpoints: Path) -> None:
        self.lr, self.precision, self.gradient_clip = lr, precision, gradient_clip
        self.checkpoints = checkpoints
        self._first_bad: dict[str, tuple[Tensor, Tensor]] = {}
        self._read_any: set[str] = set()

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self._look("training", outputs, batch_idx)
        if pl_module.device.type == "cpu" or (batch_idx + 1) % READ_EVERY == 0:
            self._read("training", trainer)

    def on_validation_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int, *_: Any
    ) -> None:
        self._look("validation", outputs, batch_idx)

    def on_validation_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._check_any_read("validation", pl_module)

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._read("validation", trainer)

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._read("training", trainer)
        self._check_any_read("training", pl_module)

    on_validation_start = on_train_epoch_end

    def on_save_checkpoint(self, trainer: L.Trainer, pl_module: L.LightningModule, checkpoint: dict[str, Any]) -> None:
        # The second holds the weights themselves if the first holds their average.
        if spoiled := not_finite(checkpoint["state_dict"]) | not_finite(checkpoint.get("current_model_state", {})):
            name = next(iter(spoiled))
            where = f"after epoch {trainer.current_epoch + 1} (step {trainer.global_step})"
            raise NumericsError(f"weights are infinite or NaN {where}, {name} first; {self._advice(first_step=False)}")

    def _look(self, kind: str, outputs: Any, batch_idx: int) -> None:
        """Remember number and loss of the first bad batch, without waiting for the device."""
        loss = outputs.get("loss") if isinstance(outputs, dict) else outputs
        if loss is None:  # no clip of the batch could be read: Lightning gives None, or an empty dict
            return
        self._read_any.add(kind)
        loss = loss.detach()
        number, value = self._first_bad.get(kind) or (loss.new_full((), -1, dtype=torch.int64), loss)
        bad = ~loss.isfinite() & (number < 0)
        self._first_bad[kind] = torch.where(bad, batch_idx, number), torch.where(bad, loss, value)

    def _check_any_read(self, kind: str, pl_module: L.LightningModule) -> None:
        """Raise if every clip was skipped: the training has then learnt, or judged, nothing."""
        skipped = sorted(getattr(pl_module, "skipped", ()))
        if kind not in self._read_any and skipped:
            raise DataError(f"no {kind} clip could be read: {skipped[0]}; see: python commands.py check-data")

    def _read(self, kind: str, trainer: L.Trainer) -> None:
        """Raise if any process has met a bad loss: a process that went on alone would wait for the others forever."""
        number, value = self._first_bad.pop(kind, (None, None))
        batch_idx = -1 if number is None else int(number)
        if trainer.strategy.reduce_boolean_decision(batch_idx < 0, all=True):
            return
        epoch = f"epoch {trainer.current_epoch + 1}"
        if batch_idx < 0 or value is None:
            raise NumericsError(f"the {kind} loss of another process is infinite or NaN in {epoch}; {self._advice()}")
        batch = f"batch {batch_idx + 1} of {epoch}"
        step = trainer.global_step
        if kind == "training":
            step = trainer.fit_loop.total_batch_idx + 1 - (trainer.fit_loop.batch_idx - batch_idx)
        first = kind == "training" and trainer.current_epoch == 0 and batch_idx == 0
        advice = self._advice(first_step=first)
        raise NumericsError(f"the {kind} loss is {float(value)} at step {step} ({batch}); {advice}")

    def _advice(self, *, first_step: bool = False) -> str:
        half = f"trainer.precision={self.precision} may overflow" if self.precision != "32-true" else ""
        if first_step:  # before any weight was changed
            cause = half or "the weights it starts from, clip.mean or clip.std do not suit the network"
            change = ["trainer.precision=32-true"] if half else ["other model.weights", "clip.mean", "clip.std"]
        else:
            cause = f"the learning rate optimizer.lr={self.lr:g} is probably too high"
            cause += f", or {half}" if half else ""
            change = [f"optimizer.lr={self.lr / 10:g}"]
            change += ["trainer.gradient_clip=1"] if self.gradient_clip is None else []
            change += ["trainer.precision=32-true"] if half else []
        kept = sorted(path.name for path in self.checkpoints.glob("*.ckpt"))
        left = f"{' and '.join(kept)} of earlier epochs stay in {self.checkpoints}" if kept else "nothing was saved"
        return f"{cause}: try {' or '.join(change)}; {left}"
