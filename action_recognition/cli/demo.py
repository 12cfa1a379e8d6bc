"""`demo`: the whole job, offline, on synthetic clips, and a single-frame model beside it as the control."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from action_recognition.cli.command import Call, command
from action_recognition.cli.download_data import download_data
from action_recognition.cli.export_onnx import run_export_onnx
from action_recognition.cli.infer import run_evaluation
from action_recognition.cli.next_commands import print_next
from action_recognition.cli.predict import run_prediction
from action_recognition.cli.train import run_training

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from action_recognition.config import Config
    from action_recognition.evaluation.metrics import Metrics

SINGLE_FRAME = ("clip.frames=1", "clip.stride=1", "evaluation.metrics=plots/single_frame/metrics.json")


@command(groups=("data", "model", "optimizer", "trainer", "evaluation", "tracking", "export", "predict"))
def run(call: Call) -> None:
    """Everything, offline, on the synthetic data: train, evaluate, export, and label a video."""
    run_demo(call.overrides, console=call.console)
    print_next(
        call.console,
        "python commands.py train-ml-flow data=folder data.videos_dir=FOLDER",
        "python commands.py compare-runs",
    )


def run_demo(overrides: Sequence[str], *, console: "Console") -> None:
    """Data, training with MLflow and DVC, evaluation, the single-frame control, export, and a labelled video.

    Args:
        overrides: on top of `experiment=demo`.
    """
    from action_recognition.config import load_config
    from action_recognition.export.classes import write_index_to_class
    from action_recognition.models.checkpoint_config import config_of_checkpoint
    from action_recognition.tracking.mlflow_store import experiment_hint

    base = ["experiment=demo", "tracking.dvc_allow_modified=true", *overrides]
    config = load_config(base)
    scores: dict[str, Metrics] = {}
    start = time.perf_counter()

    _say(console, "download-data data=demo")
    download_data(config, console=console)

    _say(console, "train-ml-flow clip.frames=1 clip.stride=1", "(control)")
    scores["one frame"] = _train_and_judge([*base, *SINGLE_FRAME], console, dvc=False)
    _say(console, "train-ml-flow-dvc experiment=demo")
    scores[f"{config.clip.frames} frames"] = _train_and_judge(base, console, dvc=True)

    _say(console, "export-onnx")
    trained = config_of_checkpoint(load_config(base))
    run_export_onnx(trained, console=console)
    write_index_to_class(trained, console=console)

    video = a_test_video(trained)
    _say(console, f"infer-from-onnx '{video}' predict.video_dir=plots/labelled")
    labelled = Path(config.plots_dir) / "labelled"
    prediction = load_config([*base, "predict.backend=onnx", f"predict.video_dir={labelled}"])
    run_prediction(prediction, [str(video)], console=console)

    console.print(score_table(scores))
    console.print(f"labelled video: {labelled}/; all of it took {time.perf_counter() - start:.0f} s", highlight=False)
    console.print(f"see the runs: {experiment_hint(config.tracking)}", highlight=False, markup=False)


def _say(console: "Console", command: str, remark: str = "") -> None:
    console.rule(f"[bold]python commands.py {command}[/bold]{'  ' + remark if remark else ''}", align="left")


def _train_and_judge(overrides: Sequence[str], console: "Console", *, dvc: bool) -> "Metrics":
    from action_recognition.config import load_config
    from action_recognition.models.checkpoint_config import config_of_checkpoint

    config = load_config(overrides)
    command = "train-ml-flow-dvc" if dvc else "train-ml-flow"
    run_training(config, console=console, command=command, mlflow=True, dvc=dvc)
    return run_evaluation(config_of_checkpoint(load_config(overrides)), console=console, mlflow=True).metrics


def a_test_video(config: "Config") -> Path:
    """The first test clip of the data set: one that no training has seen."""
    from action_recognition.datasets.manifest import build_manifest

    manifest = build_manifest(config)
    return manifest.videos_dir / manifest.split("test")[0].path


def score_table(scores: dict[str, "Metrics"]) -> "Table":
    from rich.table import Table

    table = Table(title="test clips of the demo set", title_justify="left")
    for column in ("model sees", "top-1", "95 % interval", "mean class accuracy", "clips"):
        table.add_column(column, justify="right")
    for name, metrics in scores.items():
        scores_shown = (metrics.text("top1"), f"{metrics.interval} %", metrics.text("mean_class_accuracy"))
        table.add_row(name, *scores_shown, str(metrics.clips))
    return table
