"""Training, from a configuration to a checkpoint, read from top to bottom."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import lightning as L
import torch.distributed as dist
from lightning.pytorch.callbacks import Callback
from rich.console import Console

from action_recognition.config import Config
from action_recognition.data.datamodule import ClipDataModule
from action_recognition.readers.base import DecodingReader
from action_recognition.tracking.run_folders import checkpoint_dir
from action_recognition.training.activation_recorder import activation_recorders
from action_recognition.training.callbacks import EpochProgress, History
from action_recognition.training.loss_guard import LossGuard
from action_recognition.training.preparation import Training, prepare
from action_recognition.training.resumable import continue_advice, explaining_no_room, fit, restart_advice
from action_recognition.training.run_files import complete_run_dir, curves_title, open_run_dir
from action_recognition.training.run_stats import RunFacts
from action_recognition.training.step_clock import time_lines
from action_recognition.training.trainer import make_trainer, quiet_lightning
from action_recognition.utils.devices import check_devices
from action_recognition.utils.interruption import advising
from action_recognition.utils.malloc import keep_freed_memory

if TYPE_CHECKING:
    from action_recognition.tracking.mlflow_run import Tracker


@dataclass(frozen=True, kw_only=True)
class TrainResult:
    """The results of a training; scores are shares of 1."""

    run_dir: Path
    best_checkpoint: Path
    best_val_top1: float
    epochs: int
    skipped: int


def train(
    config: Config,
    *,
    console: Console,
    tracker: "Tracker | None" = None,
    callbacks: Sequence[Callback] = (),
    command: str = "train",
    finish: Callable[[Path, ClipDataModule], None] | None = None,
) -> TrainResult:
    """Fit a `VideoActionModel` and write checkpoints, history and curves into a run directory.

    Args:
        tracker: an open MLflow run that receives curves, checkpoints and plots.
        callbacks: of Lightning, beside the project's own.
        command: its name, for the advice after an interruption.
        finish: called with `best.ckpt` and the clips when the fit has ended, before files are copied to MLflow.

    Raises:
        DataError: on data that cannot be trained on.
        ConfigError: on settings that contradict each other.
        NumericsError: if the loss or the weights become infinite or NaN.
        Interrupted: after Ctrl-C or SIGTERM.
    """
    check_devices(config.trainer.accelerator, config.trainer.devices)
    with advising(lambda: restart_advice(config, command)):
        quiet_lightning()
        keep_freed_memory()
        L.seed_everything(config.trainer.seed, workers=True, verbose=False)
        training = prepare(config, console)
        recorders = activation_recorders(config, training, console)
        # Only now: a run that never starts leaves no folder.
        run_dir = open_run_dir(config, training, tracker)
        history = History(run_dir / "history.csv", console)
        facts = [RunFacts(tracker, training.plan, history, read_from=training.clips.reader.name)] if tracker else []
        for recorder in recorders:
            recorder.keep_in(run_dir, title=curves_title(run_dir, config))
        # The history counts the time of the recorders.
        own = [EpochProgress(console), *recorders, history, *facts]
        trainer = _trainer(config, run_dir, training, [*own, *callbacks], tracker)
        if config.trainer.compile:
            training.model.network.compile()
        advice, best = partial(continue_advice, config, run_dir, command), checkpoint_dir(run_dir) / "best.ckpt"
        with advising(advice), explaining_no_room(advice):
            fit(trainer, training.model, training.fit_data, training.resume_from)
            end_process_group()
            if finish and best.is_file():
                finish(best, training.clips)
        report_time(training, history, console)
        complete_run_dir(run_dir, config, training, history, tracker)
        return TrainResult(
            run_dir=run_dir,
            best_checkpoint=best,
            best_val_top1=max((row.get("val_top1", 0.0) for row in history.rows), default=0.0),
            epochs=len(history.rows),
            skipped=report_skipped(training, console),
        )


def _trainer(
    config: Config, run_dir: Path, training: Training, callbacks: Sequence[Callback], tracker: "Tracker | None"
) -> L.Trainer:
    guard = LossGuard(
        lr=config.optimizer.lr,
        precision=training.plan.precision,
        gradient_clip=config.trainer.gradient_clip,
        checkpoints=checkpoint_dir(run_dir),
    )
    return make_trainer(
        config,
        run_dir,
        [guard, *callbacks],
        precision=training.plan.precision,
        has_val=training.has_val,
        tracker=tracker,
    )


def end_process_group() -> None:
    """This process is alone from here on: what it evaluates is no share of the clips any more."""
    if dist.is_available() and dist.is_initialized():
        dist.destroy_process_group()


def report_skipped(training: Training, console: Console) -> int:
    """Print clips that failed only during training; return the number of all clips that were skipped."""
    skipped = sorted(training.model.skipped)
    for line in skipped:
        console.print(f"skipped: {line}", style="yellow", highlight=False, markup=False, soft_wrap=True)
    total = len(training.manifest.unusable(min_frames=training.contract.min_frames)) + len(skipped)
    if total:
        console.print(f"{total} unreadable clips were skipped; see: python commands.py check-data", style="yellow")
    return total


def report_time(training: Training, history: History, console: Console) -> None:
    """Print where the time went."""
    decodes = training.fit_data is training.clips and training.clips.reader.name == DecodingReader.name
    for line in time_lines(history.rows, decodes=decodes):
        console.print(line, highlight=False, soft_wrap=True)
