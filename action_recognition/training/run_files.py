"""Files of a run directory beside history and checkpoints, and their copies in MLflow."""

from pathlib import Path
from typing import TYPE_CHECKING

from action_recognition.config import Config, to_yaml
from action_recognition.reports.learning_curves import plot_history
from action_recognition.tracking.run_folders import (
    checkpoint_dir,
    data_title,
    new_run_dir,
    remember_tracking,
    run_dir_of,
    run_title,
)
from action_recognition.training.callbacks import History, read_history
from action_recognition.training.preparation import Training
from action_recognition.utils.files import remove_abandoned, replace_file
from action_recognition.utils.rank import is_first_process

if TYPE_CHECKING:
    from action_recognition.tracking.mlflow_run import Tracker

CURVES = "learning_curves.png"


def open_run_dir(config: Config, training: Training, tracker: "Tracker | None") -> Path:
    """The run directory, new or of the run that goes on, with `config.yaml` and `manifest.csv` in it."""
    run_dir = run_dir_of(training.resume_from) if training.resume_from else new_run_dir(config)
    if is_first_process():
        for folder in run_dir.parent.glob("*/checkpoints"):
            remove_abandoned(folder)  # also of runs that were killed and never resumed
        replace_file(run_dir / "config.yaml", to_yaml(config).encode())
        training.manifest.write(run_dir / "manifest.csv")
    if tracker:
        from action_recognition.tracking.run_description import describe_training  # MLflow: only where it is asked for

        remember_tracking(run_dir, tracker.run_id)
        describe_training(tracker, config, training.manifest, training.contract)
    return run_dir


def complete_run_dir(
    run_dir: Path, config: Config, training: Training, history: History, tracker: "Tracker | None"
) -> None:
    """Draw the learning curves, copy the run's files to MLflow, and make the best checkpoint a logged model there."""
    if training.resume_from and not history.rows and history.path.exists():  # it had come to its end before
        history.rows = read_history(history.path)
    if is_first_process() and history.rows:
        plot_history(history.rows, run_dir / CURVES, title=curves_title(run_dir, config))
    if tracker:
        for name in ("manifest.csv", "history.csv"):
            tracker.log_artifact(run_dir / name)
        for path in sorted(checkpoint_dir(run_dir).glob("*.ckpt")):
            tracker.log_artifact(path, "checkpoints")
        for path in sorted(run_dir.glob(f"{Path(CURVES).stem}.*")):
            tracker.log_artifact(path, "plots")
        for path in sorted(run_dir.glob("activations.*")):
            tracker.log_artifact(path, "plots" if path.suffix == ".png" else None)
        from action_recognition.training.recorded_model import record_model

        record_model(tracker, config, training, checkpoint_dir(run_dir) / "best.ckpt", history.rows)


def curves_title(run_dir: Path, config: Config) -> str:
    """The first line above pictures of a run's epochs."""
    return f"{run_title(run_dir)}: {config.model.network} on {data_title(config.data)}"
