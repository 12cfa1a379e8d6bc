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
from optuna.trial import Trial, TrialState
from optuna_integration import PyTorchLightningPruningCallback
from rich.console import Console

from action_recognition.config import Config, load_config
from action_recognition.datasets import dataset_of
from action_recognition.errors import UserError, first_line
from action_recognition.studies.space import SearchKey
from action_recognition.tracking.mlflow_run import open_run
from action_recognition.tracking.mlflow_store import open_store, run_to_resume
from action_recognition.training.fit import train

# What a trial notes: the overrides drawn, its folder and MLflow run, why it failed, and which process trains it.
DRAWN, RUN_DIR, TRIAL_RUN, ERROR, PID, HOST = "overrides", "run_dir", "mlflow_run_id", "error", "pid", "host"
MLFLOW_PARENT = "mlflow.parentRunId"


class PruneAfterEpoch(PyTorchLightningPruningCallback):
    """Optuna's callback, at the end of the epoch.

    Optuna's own moment is the end of validation. A trial pruned there loses what is recorded after it: the epoch's
    line, its row in `history.csv` and the run's statistics.
    """

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Nothing yet."""

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        super().on_validation_end(trainer, pl_module)


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

    A trial fails by a `UserError` or by running out of GPU memory, which its settings caused. Any other exception
    passes, and leaves the trial failed without a reason; `finished` does not count it.

    Args:
        base: overrides that all trials share.
        parent: id of the study's MLflow run.
    """
    trial = study.ask({searched.key: searched.distribution for searched in space})
    try:
        drawn = [f"{key}={value}" for key, value in trial.params.items()]
        run_dir = Path(config.tune.output_dir) / study.study_name / f"trial-{trial.number:04d}"
        notes = {DRAWN: drawn, RUN_DIR: str(run_dir), PID: os.getpid(), HOST: platform.node()}
        for name, value in notes.items():
            trial.set_user_attr(name, value)
        console.print(f"trial {trial.number}: {shlex.join(drawn)}", style="bold", highlight=False, markup=False)
        score = _train(trial, [*base, *drawn, f"trainer.run_dir={run_dir}"], parent, console)
    except (UserError, torch.cuda.OutOfMemoryError) as error:
        trial.set_user_attr(ERROR, first_line(error))
        study.tell(trial, state=TrialState.FAIL)
        line = f"trial {trial.number} failed: {first_line(error)}"
        console.print(line, style="yellow", highlight=False, markup=False)
    except BaseException:
        study.tell(trial, state=TrialState.FAIL)
        raise
    else:
        study.tell(trial, score, state=TrialState.PRUNED if score is None else TrialState.COMPLETE)


def _train(trial: Trial, overrides: Sequence[str], parent: str, console: Console) -> float | None:
    """The best validation top-1, a share of 1; None if the trial was pruned."""
    config, study = trial_config(overrides), trial.study.study_name
    config.tracking = replace(config.tracking, run_name=f"{study}-trial-{trial.number:04d}")
    tags = {"command": "tune-trial", "study": study, "trial": str(trial.number), MLFLOW_PARENT: parent}
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
    if not dataset_of(config.data).reads_shards:
        return config
    from action_recognition.readers.shards.exported_settings import as_exported

    return as_exported(config)


def finished(study: optuna.Study) -> int:
    """Trials that count towards `tune.trials`: complete, pruned, and failed by their settings."""
    ended = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL))
    return sum(trial.state != TrialState.FAIL or ERROR in trial.user_attrs for trial in ended)


def fail_abandoned(study: optuna.Study, config: Config) -> None:
    """Mark as failed, and in MLflow as killed, the trials of processes of this machine that are gone."""
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        notes = trial.user_attrs
        if notes.get(HOST) != platform.node() or PID not in notes or psutil.pid_exists(notes[PID]):
            continue
        with open_store(config.tracking) as client:
            if run := run_to_resume(client, notes.get(TRIAL_RUN)):
                client.set_terminated(run.info.run_id, "KILLED")
        study.tell(trial.number, state=TrialState.FAIL)
