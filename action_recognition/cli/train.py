"""The training commands: the same fit, with MLflow, DVC and a servable model around it as asked."""

from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from action_recognition.cli.command import Call, command
from action_recognition.cli.next_commands import PLACES, TRACKING
from action_recognition.errors import NumericsError, ReportedError
from action_recognition.utils.rank import is_first_process

if TYPE_CHECKING:
    from rich.console import Console

    from action_recognition.config import Config
    from action_recognition.tracking.mlflow_run import Tracker
    from action_recognition.training.fit import TrainResult

GROUPS = ("data", "clip", "augment", "model", "optimizer", "trainer", "experiment")


@command(groups=GROUPS, makes_batches=True, needs_data=True)
def train(call: Call) -> None:
    """Train a model; checkpoints and curves go to plots/runs/.

    trainer.resume=last goes on where the last run stopped, with its settings.
    """
    run_training(call.config, console=call.console, command="train")
    call.print_next({"infer": PLACES, "export-onnx": PLACES})


@command(groups=(*GROUPS, "tracking"), makes_batches=True, needs_data=True)
def train_ml_flow(call: Call) -> None:
    """Train, and record the run in MLflow."""
    run_training(call.config, console=call.console, command="train-ml-flow", mlflow=True)
    call.print_next({"infer-ml-flow": (*PLACES, *TRACKING), "export-onnx": PLACES})


@command(groups=(*GROUPS, "tracking"), makes_batches=True)
def train_ml_flow_dvc(call: Call) -> None:
    """Make sure that DVC has the data as pinned, then train with MLflow."""
    run_training(call.config, console=call.console, command="train-ml-flow-dvc", mlflow=True, dvc=True)
    call.print_next({"infer-ml-flow": (*PLACES, *TRACKING), "export-onnx": PLACES})


@command(groups=(*GROUPS, "tracking"), makes_batches=True)
def train_ml_flow_server_dvc(call: Call) -> None:
    """As train-ml-flow-dvc, and log and register a model that MLflow can serve."""
    name = "train-ml-flow-server-dvc"
    run_training(call.config, console=call.console, command=name, mlflow=True, dvc=True, servable=True)


def run_training(
    config: "Config",
    *,
    console: "Console",
    command: str,
    mlflow: bool = False,
    dvc: bool = False,
    servable: bool = False,
) -> "TrainResult":
    """Train with as much around it as asked.

    Args:
        command: the command's name, recorded with the run.
        mlflow: track in MLflow.
        dvc: first make sure that the data is what `data.dvc` pins, and record its hash.
        servable: log and register a model that `mlflow models serve` can run.
    """
    from action_recognition.evaluation.calibration.calibrate import calibrate_trained
    from action_recognition.training.fit import train as fit
    from action_recognition.training.preparation import find_weights

    if not is_first_process():  # started by the first one's fit: it tracks, versions and reports
        try:
            return fit(config, console=console, command=command)
        except NumericsError as error:  # which all of them meet
            raise ReportedError(str(error)) from None
    find_weights(config)  # before anything that takes long
    tags = {"command": command}
    if dvc:
        from action_recognition.cli.download_data import download_data
        from action_recognition.tracking.data_version import ensure_data

        if config.data.synthetic and Path("data.dvc").is_file() and not Path(config.data.videos_dir).is_dir():
            download_data(config, console=console)  # rendered in seconds, to the bytes that are pinned
        state = ensure_data(config, repo=Path.cwd(), progress=console.print)
        tags |= {"dvc_hash": state.hash, "dvc_status": state.status}
        console.print(f"DVC: data is {state.status}, {state.hash}")
    with _tracked(config, tags) if mlflow else nullcontext() as tracker:
        finish = partial(calibrate_trained, tracker=tracker, console=console) if config.trainer.calibrate else None
        result = fit(config, console=console, tracker=tracker, command=command, finish=finish)
        if tracker and servable:
            _log_servable(config, result, tracker, console)
    console.print(
        f"best validation top-1 {100 * result.best_val_top1:.1f} % in {result.epochs} epochs: {result.best_checkpoint}"
        f"; curves: {result.run_dir / 'learning_curves.png'}",
    )
    if tracker:
        console.print(f"see the run: {tracker.url_hint}")
    return result


def _tracked(config: "Config", tags: dict[str, str]) -> "AbstractContextManager[Tracker]":
    from action_recognition.tracking.mlflow_run import open_run

    return open_run(config, tags=tags, resume_run_id=_run_to_resume(config))


def _run_to_resume(config: "Config") -> str | None:
    """The MLflow run of the run that is resumed, so that its curves go on in one place."""
    from action_recognition.tracking.run_folders import checkpoint_to_resume, run_dir_of, tracking_of

    checkpoint = checkpoint_to_resume(config)
    return tracking_of(run_dir_of(checkpoint)) if checkpoint else None


def _log_servable(config: "Config", result: "TrainResult", tracker: "Tracker", console: "Console") -> None:
    from action_recognition.export.checkpoint import export_checkpoint
    from action_recognition.serving.servable import log_servable, save_servable
    from action_recognition.tracking.run_folders import data_title

    onnx = export_checkpoint(config, result.best_checkpoint, result.run_dir / "model.onnx", console=console).path
    directory = result.run_dir / "servable"
    save_servable(directory, onnx_path=onnx, checkpoint=result.best_checkpoint)
    uri = log_servable(
        tracker,
        directory,
        config.tracking.registered_model,
        description=_version_note(config, result),
        tags={"val_top1": f"{result.best_val_top1:.4f}", "data": data_title(config.data), "epochs": str(result.epochs)},
    )
    console.print(f"model: {uri}")
    console.print(
        f"next: MLFLOW_TRACKING_URI={tracker.tracking_uri} mlflow models serve -m {uri} --host 127.0.0.1 --port 5001 "
        "--env-manager local",
    )


def _version_note(config: "Config", result: "TrainResult") -> str:
    """The description of a registered version; `infer-ml-flow` adds its test scores."""
    from action_recognition.tracking.run_folders import data_title
    from action_recognition.tracking.run_notes import TRAINING, VALIDATION, merge_note

    scored = f"best top-1 {100 * result.best_val_top1:.1f} % in {result.epochs} epochs"
    return merge_note("", {TRAINING: f"{config.model.network} on {data_title(config.data)}", VALIDATION: scored})
