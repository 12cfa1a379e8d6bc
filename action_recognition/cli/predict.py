"""The prediction commands."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from action_recognition.cli.command import Call, command
from action_recognition.cli.next_commands import print_next
from action_recognition.errors import ConfigError, ReportedError, VideoError
from action_recognition.utils.text import printable

if TYPE_CHECKING:
    from rich.console import Console

    from action_recognition.config import Config
    from action_recognition.inference.prediction import Prediction

# The suggested next command repeats at most this many inputs; a shell pattern may have given thousands.
MOST_REPEATED = 3
FURTHER = {"predict.video_dir": "labelled", "predict.output": "labels.json"}


@command(
    groups=("predict", "export"),
    takes_inputs=True,
    usage="INPUT ... [key=value ...]",
    fixed=("predict.backend=onnx",),
    instead="predict",
)
def infer_from_onnx(call: Call) -> None:
    """Label videos or folders of them with the ONNX model: infer-from-onnx INPUT ... [key=value ...]"""
    _label("infer-from-onnx", call)


@command(groups=("predict", "evaluation", "export"), takes_inputs=True, usage="INPUT ... [key=value ...]")
def predict(call: Call) -> None:
    """Label videos on any backend: predict INPUT ... [predict.backend=torch|onnx|tensorrt]"""
    _label("predict", call)


def _label(name: str, call: Call) -> None:
    from action_recognition.config import key_of

    run_prediction(call.config, call.inputs, console=call.console)
    given = {key_of(override) for override in call.overrides}
    named = call.inputs if len(call.inputs) <= MOST_REPEATED else ["INPUT"]
    again = [
        shlex.join([name, *named, *call.overrides, f"{key}={value}"])
        for key, value in FURTHER.items()
        if key not in given
    ]
    print_next(call.console, *(f"python commands.py {line}" for line in again[:1]))


def run_prediction(config: "Config", inputs: Sequence[str], *, console: "Console") -> "list[Prediction]":
    """Label `inputs` with the model of `model_of`.

    Raises:
        ConfigError: without inputs, or without a model.
        VideoError: at the end, if some video could not be read; each is named when it fails.
    """
    from action_recognition.inference.backends import load_backend
    from action_recognition.inference.inputs.base import InputSettings
    from action_recognition.inference.inputs.expand import as_clips, expand_inputs
    from action_recognition.inference.predictor import Predictor
    from action_recognition.inference.report import predict_inputs

    if not inputs:
        raise ConfigError("no video given; expected files or folders: python commands.py predict INPUT ...")
    given = expand_inputs(inputs)
    settings = config.predict
    path, kind = model_of(config)
    backend = load_backend(path, kind=kind, device=settings.device)
    paths = as_clips(given, frames=backend.contract.frames)
    predictor = Predictor(
        backend,
        batch_size=settings.batch_size,
        overlap=settings.overlap,
        inputs=InputSettings(
            fps=settings.fps,
            max_seconds=settings.max_seconds,
            latency_seconds=settings.latency_seconds,
            reconnect_seconds=settings.reconnect_seconds,
        ),
    )
    predictions, errors = predict_inputs(
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
        console.print(printable("; ".join(written)))
    if errors and len(paths) == 1:
        raise ReportedError(errors[0])
    if errors:
        raise VideoError(f"{len(errors)} of {len(paths)} videos could not be read or written")
    return predictions


def model_of(config: "Config") -> tuple[Path, str]:
    """The model's file and its kind of backend: `predict.model`, or what the backend's export command writes.

    Raises:
        ConfigError: if `predict.model` is a file of no known kind, and `predict.backend` does not say.
    """
    from action_recognition.inference.backends import backend_of
    from action_recognition.tracking.run_folders import resolve_checkpoint

    settings = config.predict
    if settings.model:
        path = Path(settings.model)
        return path, settings.backend or backend_of(path)
    if settings.backend == "onnx":
        return Path(config.export.onnx), "onnx"
    if settings.backend == "tensorrt":
        return Path(config.export.engine_path), "tensorrt"
    return resolve_checkpoint(config.evaluation.checkpoint, plots_dir=config.plots_dir), "torch"
