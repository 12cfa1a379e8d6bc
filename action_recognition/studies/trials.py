"""One trial of a search: it trains with drawn settings, in a child run of the study's MLflow run."""

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
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID
from optuna.trial import Trial, TrialState
from optuna_integration import PyTorchLightningPruningCallback
from rich.console import Console

from action_recognition.config import Config, load_config
from action_recognition.datasets import dataset_of
from action_recognition.errors import UserError, first_line
from action_recognition.readers.shards.exported_settings import as_exported
from action_recognition.studies.space import Space
from action_recognition.tracking.mlflow_run import open_run
from action_recognition.tracking.mlflow_store import open_store, run_to_resume
from action_recognition.training.fit import train

# What a trial notes: the overrides drawn, its folder and MLflow run, why it failed, and which process trains it.
DRAWN, RUN_DIR, TRIAL_RUN, ERROR, PID, HOST = "overrides", "run_dir", "mlflow_run_id", "error", "pid", "host"


class PruneAfterEpoch(PyTorchLightningPruningCallback):
    """Optuna's callback, moved from the end of validation to the end of the epoch.

    A trial pruned at the end of validation would lose what is recorded after it: the epoch's line, its row in
    `history.csv` and the run's statistics.
    """

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Wait for the end of the epoch."""

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        super().on_validation_end(trainer, pl_module)


def run_trial(
    study: optuna.Study, space: Space, config: Config, base: Sequence[str], *, console: Console, parent: str
) -> None:
    """Draw settings, train with them, and record the outcome: complete, pruned or failed.

    A trial fails by a `UserError` or by running out of GPU memory, which its settings caused. Any other exception is
    raised again and leaves the trial failed without a reason; `finished` does not count it.

    Args:
        base: overrides that all trials share.
        parent: id of the study's MLflow run.
    """
    trial = study.ask(dict(space))
    try:
        drawn = [f"{key}={value}" for key, value in trial.params.items()]
        run_dir = Path(config.tune.output_dir) / study.study_name / f"trial-{trial.number:04d}"
        for name, value in {DRAWN: drawn, RUN_DIR: str(run_dir), PID: os.getpid(), HOST: platform.node()}.items():
            trial.set_user_attr(name, value)
        console.print(f"trial {trial.number}: {shlex.join(drawn)}", style="bold", highlight=False, markup=False)
        score = _train(trial, [*base, *drawn, f"trainer.run_dir={run_dir}"], parent, console)
    except BaseException as error:
        caused_by_settings = isinstance(error, UserError | torch.cuda.OutOfMemoryError)
        if caused_by_settings:
            trial.set_user_attr(ERROR, first_line(error))
        study.tell(trial, state=TrialState.FAIL)
        if not caused_by_settings:
            raise
        line = f"trial {trial.number} failed: {first_line(error)}"
        console.print(line, style="yellow", highlight=False, markup=False)
    else:
        study.tell(trial, score, state=TrialState.PRUNED if score is None else TrialState.COMPLETE)


def _train(trial: Trial, overrides: Sequence[str], parent: str, console: Console) -> float | None:
    """The best validation top-1, a share of 1; None if the trial was pruned."""
    config, study = trial_config(overrides), trial.study.study_name
    config.tracking = replace(config.tracking, run_name=f"{study}-trial-{trial.number:04d}")
    tags = {"command": "tune-trial", "study": study, "trial": str(trial.number), MLFLOW_PARENT_RUN_ID: parent}
    with open_run(config, tags=tags) as tracker:
        trial.set_user_attr(TRIAL_RUN, tracker.run_id)
        try:
            callbacks = [PruneAfterEpoch(trial, "val_top1")]
            return train(config, console=console, tracker=tracker, callbacks=callbacks).best_val_top1
        except optuna.TrialPruned:
            epochs = len(trial.study.trials[trial.number].intermediate_values)
            tracker.set_tags({"pruned": f"after {epochs} epoch{'s' if epochs > 1 else ''}"})
            console.print(f"trial {trial.number} pruned after epoch {epochs}", highlight=False)
            return None


def trial_config(overrides: Sequence[str]) -> Config:
    """The configuration of a trial, as `train` with these overrides would have it."""
    config = load_config(overrides)
    return as_exported(config) if dataset_of(config.data).reads_shards else config


def finished(study: optuna.Study) -> int:
    """The number of trials that count towards `tune.trials`: complete, pruned, and failed by their settings."""
    ended = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL))
    return sum(trial.state != TrialState.FAIL or ERROR in trial.user_attrs for trial in ended)


def fail_abandoned(study: optuna.Study, config: Config) -> None:
    """Mark the trials of this machine's dead processes as failed, and their MLflow runs as killed."""
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        notes = trial.user_attrs
        if notes.get(HOST) != platform.node() or PID not in notes or psutil.pid_exists(notes[PID]):
            continue
        with open_store(config.tracking) as client:
            if run := run_to_resume(client, notes.get(TRIAL_RUN)):
                client.set_terminated(run.info.run_id, "KILLED")
        study.tell(trial.number, state=TrialState.FAIL)
