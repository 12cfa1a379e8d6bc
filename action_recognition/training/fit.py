"""Training, from a configuration to a checkpoint, read from top to bottom."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import lightning as L
from lightning.pytorch.callbacks import Callback
from rich.console import Console

from action_recognition.config import Config
from action_recognition.readers.base import DecodingReader
from action_recognition.tracking.run_folders import checkpoint_dir
from action_recognition.training.callbacks import EpochProgress, History
from action_recognition.training.loss_guard import LossGuard
from action_recognition.training.preparation import Training, prepare
from action_recognition.training.resumable import continue_advice, explaining_no_room, fit, restart_advice
from action_recognition.training.run_files import complete_run_dir, open_run_dir
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
) -> TrainResult:
    """Fit a `VideoActionModel` and write checkpoints, history and curves into a run directory.

    Args:
        tracker: an open MLflow run that receives curves, checkpoints and plots.
        callbacks: of Lightning, beside the project's own.
        command: its name, for the advice after an interruption.

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
        # Only now: a run that never starts leaves no folder.
        run_dir = open_run_dir(config, training, tracker)
        history = History(run_dir / "history.csv", console)
        facts = [RunFacts(tracker, training.plan, history, read_from=training.clips.reader.name)] if tracker else []
        guard = LossGuard(
            lr=config.optimizer.lr,
            precision=training.plan.precision,
            gradient_clip=config.trainer.gradient_clip,
            checkpoints=checkpoint_dir(run_dir),
        )
        trainer = make_trainer(
            config,
            run_dir,
            [EpochProgress(console), guard, history, *facts, *callbacks],
            precision=training.plan.precision,
            has_val=training.has_val,
            tracker=tracker,
        )
        if config.trainer.compile:
            training.model.network.compile()
        advice = partial(continue_advice, config, run_dir, command)
        with advising(advice), explaining_no_room(advice):
            fit(trainer, training.model, training.fit_data, training.resume_from)
        skipped = report_skipped(training, console)
        report_time(training, history, console)
        complete_run_dir(run_dir, config, training, history, tracker)
        return TrainResult(
            run_dir=run_dir,
            best_checkpoint=checkpoint_dir(run_dir) / "best.ckpt",
            best_val_top1=max((row.get("val_top1", 0.0) for row in history.rows), default=0.0),
            epochs=len(history.rows),
            skipped=skipped,
        )


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
