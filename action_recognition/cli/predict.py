"""The prediction commands."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from action_recognition.config import Config
from action_recognition.errors import ConfigError, ReportedError, VideoError
from action_recognition.inference.backends import load_backend
from action_recognition.inference.inputs import as_clips
from action_recognition.inference.predictor import Predictor, expand_sources, predict_sources
from action_recognition.tracking.run_folders import resolve_checkpoint
from action_recognition.utils.text import printable


def run_prediction(config: Config, sources: Sequence[str], *, console: Console) -> None:
    """Label `sources` with the backend of `predict.backend`.

    Raises:
        ConfigError: without sources, or without a model.
        VideoError: at the end, if some video could not be read; each was named when it was met.
    """
    if not sources:
        raise ConfigError("no video given; expected files or folders: python commands.py predict SOURCE ...")
    paths = expand_sources(sources)
    settings = config.predict
    backend = load_backend(model_path(config), kind=settings.backend, device=settings.device)
    paths = as_clips(paths, frames=backend.contract.frames)
    predictor = Predictor(backend, batch_size=settings.batch_size, overlap=settings.overlap)
    _, errors = predict_sources(
        predictor,
        paths,
        top_k=settings.top_k,
        output=Path(settings.output) if settings.output else None,
        video_dir=Path(settings.video_dir) if settings.video_dir else None,
        console=console,
    )
    written = [settings.output] if settings.output and Path(settings.output).is_file() else []
    if settings.video_dir and len(errors) < len(paths):
        written.append(f"labelled videos: {settings.video_dir}/")
    if written:
        console.print(printable("; ".join(written)), highlight=False, markup=False)
    if errors and len(paths) == 1:
        raise ReportedError(errors[0])
    if errors:
        raise VideoError(f"{len(errors)} of {len(paths)} videos could not be read or written")


def model_path(config: Config) -> Path:
    """`predict.model`, or what the backend's export command writes."""
    if config.predict.model:
        return Path(config.predict.model)
    if config.predict.backend == "onnx":
        return Path(config.export.onnx)
    if config.predict.backend == "tensorrt":
        return Path(config.export.engine_path)
    return resolve_checkpoint(config.evaluation.checkpoint, plots_dir=config.plots_dir)
