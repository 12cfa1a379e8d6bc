"""Evaluating a checkpoint on videos that it has not seen."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from action_recognition.config import Config
from action_recognition.contract import ClipContract
from action_recognition.data.datamodule import ClipDataModule
from action_recognition.data.load import load_manifest
from action_recognition.datasets.records import ClipRecord, Manifest
from action_recognition.errors import DataError
from action_recognition.evaluation.compute import compute_figures
from action_recognition.evaluation.figures import EvaluationFigures
from action_recognition.evaluation.leakage import leaking_clips
from action_recognition.evaluation.metrics import Metrics
from action_recognition.evaluation.predictions import predict_split
from action_recognition.evaluation.report.about import about_evaluation
from action_recognition.evaluation.report.page import write_report
from action_recognition.evaluation.stored import evaluation_key, file_digest
from action_recognition.evaluation.tables import metrics_json, write_tables
from action_recognition.models.module import VideoActionModel
from action_recognition.tracking.run_folders import data_title, evaluation_dir, run_dir_of, run_title
from action_recognition.utils.devices import training_device
from action_recognition.utils.files import replace_file
from action_recognition.utils.malloc import keep_freed_memory


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """Figures, the files that show them, and one line for each video that could not be read.

    Attributes:
        manifest, contract: the data that it was judged on, and the contract of the checkpoint.
        directory: holds the files of this evaluation: `metrics.json`, `predictions.csv`, the report and its plots.
        report: the page that shows the figures.
        plots: PNG files, an SVG beside each, and the sheet of the worst mistakes.
    """

    figures: EvaluationFigures
    manifest: Manifest
    contract: ClipContract
    directory: Path
    report: Path
    plots: tuple[Path, ...]
    errors: tuple[str, ...]

    @property
    def metrics(self) -> Metrics:
        """Scores of videos."""
        return self.figures.metrics


def evaluate(config: Config, checkpoint: Path, *, console: Console) -> Evaluation:
    """Run a checkpoint over a split, averaging the probabilities of `data.test_clips` clips per video.

    Writes `metrics.json` (flat), `predictions.csv`, `report.html` and its plots into the run's folder (see
    `run_folders.evaluation_dir`), and the metrics also to `evaluation.metrics`, which holds those of the newest
    evaluation.

    Raises:
        DataError: if the split is empty, or shares source videos with what the model was trained on.
        ContractError: if the checkpoint cannot be read.
    """
    keep_freed_memory()
    device = training_device(config.trainer.accelerator)
    model = VideoActionModel.from_checkpoint(checkpoint, device=device)
    manifest = load_manifest(config, console)
    datamodule = ClipDataModule(config, manifest, model.contract, seed=0)
    records = datamodule.records(config.evaluation.split)
    check_leakage(records, model, config)

    predictions = predict_split(model, datamodule, config.evaluation.split, console)
    records = [records[place] for place in predictions.place_N.tolist()]
    figures = compute_figures(predictions, records, model.contract, resamples=config.evaluation.bootstrap)

    directory = evaluation_dir(checkpoint, config.evaluation.split, plots_dir=config.plots_dir)
    key = evaluation_key(file_digest(checkpoint), config, manifest.data_hash)
    write_tables(figures, records, predictions.outcomes, predictions.probability_NK, directory, key=key)
    replace_file(Path(config.evaluation.metrics), metrics_json(figures))
    about = about_evaluation(
        config,
        checkpoint,
        model=model,
        manifest=manifest,
        figures=figures,
        headline=evaluation_title(config, checkpoint, figures.metrics),
        errors=predictions.errors,
        leaking=len(leaking_clips(records, model)),
    )
    report, plots = write_report(figures, records, directory, videos_dir=Path(manifest.videos_dir), about=about)
    return Evaluation(
        figures=figures,
        manifest=manifest,
        contract=model.contract,
        directory=directory,
        report=report,
        plots=plots,
        errors=predictions.errors,
    )


def score_summary(metrics: Metrics) -> str:
    """`top-1 58.1 % (95 % interval 52.0 - 63.9), top-5 83.0 %`."""
    return f"top-1 {metrics.text('top1')} (95 % interval {metrics.interval}), top-5 {metrics.text('top5')}"


def evaluation_title(config: Config, checkpoint: Path, metrics: Metrics) -> str:
    """The title of a plot, in two lines: run, data and clips; scores."""
    leaking = ", leaking" if config.evaluation.allow_leakage else ""
    return (
        f"{run_title(run_dir_of(checkpoint))}: {checkpoint.name} on {data_title(config.data)}, "
        f"{metrics.clips} {config.evaluation.split} clips{leaking}\n"
        f"{score_summary(metrics)}"
    )


def check_leakage(records: Sequence[ClipRecord], model: VideoActionModel, config: Config) -> None:
    """Refuse to evaluate a model on source videos that it was trained on.

    Raises:
        DataError: unless `evaluation.allow_leakage` is set, or the split is validation, which early stopping has seen
            anyway.
    """
    if config.evaluation.allow_leakage or config.evaluation.split == "val":
        return
    if leaking := leaking_clips(records, model):
        raise DataError(
            f"{len(leaking)} of {len(records)} test clips come from source videos that the model was trained on "
            f"(e.g. {leaking[0].path}); evaluate on the split it was trained with (data.split=...), or say "
            "evaluation.allow_leakage=true"
        )
