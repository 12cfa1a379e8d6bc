"""One trial of a search: a training with the drawn settings, in an MLflow run below the study's."""

import os
import platform
import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import lightning as L
import optuna
import psutil
import torch
from lightning.pytorch.callbacks import Callback
from optuna.trial import Trial, TrialState
from rich.console import Console

from action_recognition.config import Config, load_config
from action_recognition.errors import UserError, first_line
from action_recognition.studies.space import SearchKey
from action_recognition.tracking.mlflow_run import open_run
from action_recognition.training.fit import train

# What a trial notes: the overrides drawn, the folder of its run, why it failed, and which process trains it.
DRAWN, RUN_DIR, ERROR, PID, HOST = "overrides", "run_dir", "error", "pid", "host"
MLFLOW_PARENT = "mlflow.parentRunId"


class ReportToTrial(Callback):
    """Tell the trial its validation top-1 each epoch, and end the training where the pruner says so."""

    def __init__(self, trial: Trial) -> None:
        self.trial = trial

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:  # noqa: ARG002
        value = trainer.callback_metrics.get("val_top1")
        if value is None:
            return
        self.trial.report(float(value), step=trainer.current_epoch)
        if self.trial.should_prune():
            raise optuna.TrialPruned(f"after {trainer.current_epoch + 1} epochs")


def run_trial(
    study: optuna.Study,
    space: Sequence[SearchKey],
    config: Config,
    base: Sequence[str],
    *,
    console: Console,
    parent: str,
) -> None:
    """Draw settings, train with them, and tell the study how it went: complete, pruned or failed.

    A trial fails by a `UserError` or for want of GPU memory: what its settings caused. Any other exception goes on, and
    leaves the trial failed without a reason, which `finished` does not count.

    Args:
        base: overrides that all trials share.
        parent: the study's MLflow run.
    """
    trial = study.ask({searched.key: searched.distribution() for searched in space})
    try:
        drawn = [f"{key}={value}" for key, value in trial.params.items()]
        run_dir = Path(config.tune.output_dir) / study.study_name / f"trial-{trial.number:04d}"
        notes = {DRAWN: drawn, RUN_DIR: str(run_dir), PID: os.getpid(), HOST: platform.node()}
        for name, value in notes.items():
            trial.set_user_attr(name, value)
        console.print(f"trial {trial.number}: {shlex.join(drawn)}", style="bold", highlight=False, markup=False)
        score = _train(trial, [*base, *drawn, f"trainer.run_dir={run_dir}"], study.study_name, parent, console)
    except (UserError, torch.cuda.OutOfMemoryError) as error:
        trial.set_user_attr(ERROR, first_line(error))
        study.tell(trial, state=TrialState.FAIL)
        console.print(
            f"trial {trial.number} failed: {first_line(error)}", style="yellow", highlight=False, markup=False
        )
    except BaseException:
        study.tell(trial, state=TrialState.FAIL)
        raise
    else:
        study.tell(trial, score, state=TrialState.PRUNED if score is None else TrialState.COMPLETE)


def _train(trial: Trial, overrides: Sequence[str], study: str, parent: str, console: Console) -> float | None:
    """The best validation top-1, a share of 1; None if the trial was pruned."""
    config = trial_config(overrides)
    config.tracking = replace(config.tracking, run_name=f"{study}-trial-{trial.number:04d}")
    tags = {"command": "tune-trial", "study": study, "trial": str(trial.number), MLFLOW_PARENT: parent}
    with open_run(config, tags=tags) as tracker:
        try:
            result = train(config, console=console, tracker=tracker, callbacks=[ReportToTrial(trial)])
        except optuna.TrialPruned as pruned:
            tracker.set_tags({"pruned": pruned})
            console.print(f"trial {trial.number} pruned {pruned}", highlight=False)
            return None
    return result.best_val_top1


def trial_config(overrides: Sequence[str]) -> Config:
    """The configuration of a trial, as `train` with these overrides would have it."""
    config = load_config(overrides)
    if config.data.kind != "shards":
        return config
    from action_recognition.readers.shards.exported_settings import as_exported

    return as_exported(config)


def finished(study: optuna.Study) -> int:
    """Trials that count towards `tune.trials`: complete, pruned, and failed by their settings."""
    ended = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL))
    return sum(trial.state != TrialState.FAIL or ERROR in trial.user_attrs for trial in ended)


def fail_abandoned(study: optuna.Study) -> None:
    """Mark as failed what a process of this machine was training when it was killed."""
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        pid = trial.user_attrs.get(PID)
        if trial.user_attrs.get(HOST) == platform.node() and pid is not None and not psutil.pid_exists(pid):
            study.tell(trial.number, state=TrialState.FAIL)
