"""`demo`: the whole pipeline, offline, on synthetic clips, with a single-frame model as the control."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from action_recognition.cli.command import Call, command
from action_recognition.cli.download_data import download_data
from action_recognition.cli.export import run_export_onnx
from action_recognition.cli.infer import run_evaluation
from action_recognition.cli.next_commands import print_next
from action_recognition.cli.predict import run_prediction
from action_recognition.cli.train import run_training

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from action_recognition.config import Config
    from action_recognition.evaluation.evaluate import Evaluation
    from action_recognition.evaluation.metrics import Metrics

EXAMPLES = 6  # test videos shown at the end
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
    scores["one frame"] = _train_and_judge([*base, *SINGLE_FRAME], console, dvc=False).metrics
    _say(console, "train-ml-flow-dvc experiment=demo")
    evaluation = _train_and_judge(base, console, dvc=True)
    scores[f"{config.clip.frames} frames"] = evaluation.metrics

    _say(console, "export-onnx")
    trained = config_of_checkpoint(load_config(base))
    run_export_onnx(trained, console=console)
    write_index_to_class(trained, console=console)

    _say(console, f"infer-from-onnx {EXAMPLES} test videos predict.video_dir=plots/labelled")
    labelled, sheet = Path(config.plots_dir) / "labelled", Path(config.plots_dir) / "demo.png"
    prediction = load_config([*base, "predict.backend=onnx", f"predict.video_dir={labelled}"])
    shown = label_examples(prediction, trained, evaluation, sheet, console=console)

    console.print(shown)
    console.print(score_table(scores))
    console.print(
        f"contact sheet of these videos: {sheet}; labelled videos: {labelled}/", highlight=False, markup=False
    )
    console.print(f"the demo took {time.perf_counter() - start:.0f} s", highlight=False)
    console.print(f"see the runs: {experiment_hint(config.tracking)}", highlight=False, markup=False)


def _say(console: "Console", command: str, remark: str = "") -> None:
    console.rule(f"[bold]python commands.py {command}[/bold]{'  ' + remark if remark else ''}", align="left")


def _train_and_judge(overrides: Sequence[str], console: "Console", *, dvc: bool) -> "Evaluation":
    from action_recognition.config import load_config
    from action_recognition.models.checkpoint_config import config_of_checkpoint

    config = load_config(overrides)
    command = "train-ml-flow-dvc" if dvc else "train-ml-flow"
    run_training(config, console=console, command=command, mlflow=True, dvc=dvc)
    return run_evaluation(config_of_checkpoint(load_config(overrides)), console=console, mlflow=True)


def label_examples(
    config: "Config", trained: "Config", evaluation: "Evaluation", sheet: Path, *, console: "Console"
) -> "Table":
    """Label a few test videos with the exported model, some of which it gets wrong; draw them on `sheet`.

    Returns:
        One row per video: what it shows beside what the model says.
    """
    from rich.table import Table

    from action_recognition.datasets.manifest import build_manifest
    from action_recognition.evaluation.examples import choose_examples, read_predictions
    from action_recognition.reports.contact_sheets import strips, write_labelled_sheet

    judged = read_predictions(evaluation.directory / "predictions.csv")
    manifest = build_manifest(trained)
    records = {record.path: record for record in manifest.records}
    chosen = [records[row.path] for row in choose_examples(judged, count=EXAMPLES)]
    videos = [str(manifest.videos_dir / record.path) for record in chosen]
    answers = {answer["source"]: answer["top"][0] for answer in run_prediction(config, videos, console=console)}
    found = [(answers[video]["label"], answers[video]["probability"]) for video in videos]
    right = [label == record.label for (label, _), record in zip(found, chosen, strict=True)]

    wrong = sum(not row.is_right for row in judged)
    table = Table(
        title=f"{len(chosen)} of {len(judged)} test videos; the model gets {wrong} of the {len(judged)} wrong",
        title_justify="left",
    )
    for column in ("video", "shows", "model says", "probability", ""):
        table.add_column(column, justify="right" if column == "probability" else "left")
    captions = []
    for record, (label, probability), is_right in zip(chosen, found, right, strict=True):
        verdict, share = "right" if is_right else "WRONG", f"{100 * probability:.0f} %"
        table.add_row(Path(record.path).name, record.label, label, share, verdict, style="" if is_right else "red")
        captions.append(f"shows {record.label}; model says {label}, {share}: {verdict.lower()}")
    write_labelled_sheet(sheet, strips(chosen, manifest.videos_dir, frames=6, height=96), captions, right)
    return table


def score_table(scores: dict[str, "Metrics"]) -> "Table":
    from rich.table import Table

    table = Table(title="test clips of the demo set", title_justify="left")
    for column in ("model sees", "top-1", "95 % interval", "mean class accuracy", "clips"):
        table.add_column(column, justify="right")
    for name, metrics in scores.items():
        scores_shown = (metrics.text("top1"), f"{metrics.interval} %", metrics.text("mean_class_accuracy"))
        table.add_row(name, *scores_shown, str(metrics.clips))
    return table
