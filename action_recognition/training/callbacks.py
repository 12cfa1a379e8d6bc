"""Callbacks beside the optimisation: progress bar, one line per epoch, history, interruption between batches."""

import csv
import io
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import Callback
from rich.console import Console

from action_recognition.errors import DataError, first_line
from action_recognition.training.step_clock import PARTS, StepClock
from action_recognition.utils.files import replace_file
from action_recognition.utils.interruption import Deferral
from action_recognition.utils.progress import Advance, as_clock, progress_bar

# Columns of `history.csv`: what the module logs, and what is added to it. Those of training are of its batches as they
# were trained on: augmented, mixed, and while the weights changed; precision, recall and F1 are means over classes.
LOGGED = (
    *(f"train_{name}" for name in ("loss", "top1", "precision", "recall", "f1")),
    *(f"val_{name}" for name in ("loss", "top1", "top5", "precision", "recall", "f1")),
)
COLUMNS = ("epoch", *LOGGED, "lr", "clips_per_second", *(f"{part}_seconds" for part in PARTS), "seconds")
# The time left is estimated from recent epochs only: the first epoch of a run is slower.
RECENT_EPOCHS = 3


class EpochProgress(Callback):
    """A progress bar for each epoch, over the batches of training and validation."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._open = ExitStack()
        self._advance: Advance | None = None
        self._done = 0

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._done = 0
        label = f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}"
        self._advance = self._open.enter_context(progress_bar(label, console=self.console))
        self._show(trainer)

    def on_train_batch_end(self, trainer: L.Trainer, *_: Any) -> None:
        self._done += 1
        self._show(trainer)

    on_validation_batch_end = on_train_batch_end

    def on_train_epoch_end(self, *_: Any) -> None:
        self._advance = None
        self._open.close()

    on_exception = on_train_epoch_end

    def _show(self, trainer: L.Trainer) -> None:
        if self._advance is not None:
            batches = float(trainer.num_training_batches + sum(trainer.num_val_batches))
            self._advance(self._done, int(batches) if batches < float("inf") else None)


class EndWhenAsked(Callback):
    """End training between two batches when an interrupt is pending."""

    def __init__(self, deferral: Deferral) -> None:
        self.deferral = deferral

    def on_train_batch_start(self, *_: Any) -> None:
        self.deferral.check()

    on_validation_batch_start = on_train_batch_start


class History(Callback):
    """Print one line per epoch, and keep all epochs in `history.csv`, also across a resume.

    Rows have what the module logs of `COLUMNS`, the learning rate of the head at the epoch's end, `clips_per_second`
    (training alone, over all processes) and the seconds of each part of the epoch; see `step_clock`. The module's
    logger gets the same.

    Attributes:
        rows: of all epochs, also of those before a resume.
        epochs, batches, clips: trained on by this process since it started.
    """

    def __init__(self, path: Path, console: Console) -> None:
        self.path = path
        self.console = console
        self.rows: list[dict[str, float]] = []
        self.epochs = self.batches = self.clips = 0
        self._clips_before = 0

    def on_train_start(self, trainer: L.Trainer, pl_module: Any) -> None:
        if self.path.exists() and trainer.current_epoch:
            self.rows = [row for row in read_history(self.path) if row["epoch"] < trainer.current_epoch]
        self._clock = StepClock(trainer.strategy.root_device)
        pl_module.when_batch_is_there = partial(self._clock.mark, "data")

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._clips_before = self.clips
        self._clock.start()

    def on_train_batch_start(self, *_: Any) -> None:
        self._clock.mark("augment")

    def on_before_backward(self, *_: Any) -> None:
        self._clock.mark("forward")

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self._clock.mark("backward")
        self.batches += 1
        self.clips += len(batch.index_B)

    def on_validation_start(self, *_: Any) -> None:
        self._clock.mark("other")

    def on_validation_end(self, *_: Any) -> None:
        self._clock.mark("validation")

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        row = {
            "epoch": trainer.current_epoch,
            **{name: float(value) for name, value in trainer.callback_metrics.items() if name in LOGGED},
            "lr": float(trainer.optimizers[0].param_groups[0]["lr"]),
        }
        seconds = self._clock.stop()
        clips = trainer.world_size * (self.clips - self._clips_before)
        training_seconds = seconds["seconds"] - seconds["validation_seconds"] - seconds["other_seconds"]
        row |= {"clips_per_second": clips / training_seconds, **seconds}
        self.rows.append(row)
        self.epochs += 1
        timed = {f"time/{name}": value for name, value in seconds.items()}
        pl_module.log_dict({"lr": row["lr"], "clips_per_second": row["clips_per_second"], **timed}, batch_size=1)
        if trainer.is_global_zero:
            write_history(self.path, self.rows)
            left = remaining_seconds(self.rows, total=trainer.max_epochs or 0)
            self.console.print(epoch_line(row, total=trainer.max_epochs or 0, left=left), highlight=False)

    def on_train_end(self, trainer: L.Trainer, pl_module: Any) -> None:
        pl_module.when_batch_is_there = None

    def on_exception(self, trainer: L.Trainer, pl_module: Any, exception: BaseException) -> None:
        pl_module.when_batch_is_there = None


def write_history(path: Path, rows: Sequence[dict[str, float]]) -> None:
    """Write `history.csv` in one step; columns of another version stay, behind those of this one."""
    others = dict.fromkeys(name for row in rows for name in row if name not in COLUMNS)
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=(*COLUMNS, *others), restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    replace_file(path, text.getvalue().encode())


def read_history(path: Path) -> list[dict[str, float]]:
    """Rows of a `history.csv`; values that were not logged are left out, and the epoch is whole.

    Raises:
        DataError: if the file is not one.
    """

    def number(name: str, text: str) -> float:
        return int(float(text)) if name == "epoch" else float(text)

    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = [{name: number(name, text) for name, text in row.items() if text} for row in csv.DictReader(file)]
        if not all("epoch" in row for row in rows):
            raise ValueError("a row has no epoch")
    except (ValueError, TypeError, OverflowError, csv.Error) as error:
        line = f"{path}: not the history of a training ({first_line(error)[:100]}); move it away, and resume again"
        raise DataError(line) from None
    return rows


def remaining_seconds(rows: Sequence[dict[str, float]], *, total: int) -> float:
    """Estimated seconds for the rest of `total` epochs; early stopping may end them sooner."""
    recent = [row["seconds"] for row in rows[-RECENT_EPOCHS:]]
    return (total - int(rows[-1]["epoch"]) - 1) * sum(recent) / len(recent)


def epoch_line(row: dict[str, float], *, total: int, left: float = 0.0) -> str:
    """One epoch as text: losses, top-1 in percent, its seconds, and an upper bound of the seconds left."""
    parts = [f"epoch {int(row['epoch']) + 1:>3}/{total}"]
    for split in ("train", "val"):
        if f"{split}_loss" in row:
            parts.append(f"{split} loss {row[f'{split}_loss']:.3f} top-1 {100 * row[f'{split}_top1']:5.1f} %")
    rest = f", at most {as_clock(left)} left" if round(left) else ""
    return "   ".join([*parts, f"{row['seconds']:.1f} s{rest}"])
