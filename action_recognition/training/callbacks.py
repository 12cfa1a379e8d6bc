"""What happens beside the optimisation: a line an epoch, the history, and the pointer to the last run."""

import csv
import io
import time
from pathlib import Path
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import Callback
from rich.console import Console

from action_recognition.files import replace_file
from action_recognition.runs import remember_run

COLUMNS = ("epoch", "train_loss", "train_top1", "val_loss", "val_top1", "val_top5", "lr", "seconds")


class History(Callback):
    """Print one line an epoch and keep all of them in `history.csv`, also over a resume."""

    def __init__(self, path: Path, console: Console) -> None:
        self.path = path
        self.console = console
        self.rows: list[dict[str, float]] = []
        self._start = 0.0

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if self.path.exists() and trainer.current_epoch:
            self.rows = [row for row in read_history(self.path) if row["epoch"] < trainer.current_epoch]

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._start = time.perf_counter()

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        values = {name: float(value) for name, value in trainer.callback_metrics.items() if name in COLUMNS}
        row = {
            "epoch": trainer.current_epoch,
            **values,
            "lr": float(trainer.optimizers[0].param_groups[0]["lr"]),
            "seconds": time.perf_counter() - self._start,
        }
        self.rows.append(row)
        if not trainer.is_global_zero:
            return
        self._write()
        self.console.print(epoch_line(row, total=trainer.max_epochs or 0), highlight=False)

    def _write(self) -> None:
        text = io.StringIO()
        writer = csv.DictWriter(text, fieldnames=COLUMNS, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows)
        replace_file(self.path, text.getvalue().encode())


def read_history(path: Path) -> list[dict[str, float]]:
    """Rows of a `history.csv`; values that were not logged are left out."""
    with path.open(newline="") as file:
        return [{name: float(text) for name, text in row.items() if text} for row in csv.DictReader(file)]


def epoch_line(row: dict[str, float], *, total: int) -> str:
    """One epoch for people: losses, top-1 in percent, seconds."""
    parts = [f"epoch {int(row['epoch']) + 1:>3}/{total}"]
    for split in ("train", "val"):
        if f"{split}_loss" in row:
            parts.append(f"{split} loss {row[f'{split}_loss']:.3f} top-1 {100 * row[f'{split}_top1']:5.1f} %")
    return "   ".join([*parts, f"{row['seconds']:.1f} s"])


class RememberRun(Callback):
    """Point `best` and `last` to this run as soon as it has a checkpoint."""

    def __init__(self, run_dir: Path, plots_dir: str) -> None:
        self.run_dir = run_dir
        self.plots_dir = plots_dir

    def on_save_checkpoint(self, trainer: L.Trainer, pl_module: L.LightningModule, checkpoint: dict[str, Any]) -> None:
        if trainer.is_global_zero:
            remember_run(self.run_dir, plots_dir=self.plots_dir)
