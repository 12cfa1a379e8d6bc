"""`load`: one call from the name of a model to a predictor."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from action_recognition.config.checking import checked
from action_recognition.config.schema import PredictConfig
from action_recognition.errors import ConfigError
from action_recognition.inference.backends import KINDS_BY_SUFFIX, backend_of, load_backend
from action_recognition.inference.inputs.base import DEFAULT_INPUTS, InputSettings
from action_recognition.inference.predictor import Predictor
from action_recognition.inference.temporal.segments import RECOMMENDED_SEGMENTS, SegmentSettings


def load(
    model: str | os.PathLike[str] = "best",
    *,
    backend: str | None = None,
    device: str = "auto",
    batch_size: int | None = None,
    overlap: float = 0.5,
    threshold: float | None = None,
    smoothing_seconds: float = RECOMMENDED_SEGMENTS.smoothing_seconds,
    min_seconds: float = RECOMMENDED_SEGMENTS.min_seconds,
    merge_seconds: float = RECOMMENDED_SEGMENTS.merge_seconds,
    fps: float | None = None,
    max_seconds: float | None = None,
    latency_seconds: float = DEFAULT_INPUTS.latency_seconds,
    reconnect_seconds: float = DEFAULT_INPUTS.reconnect_seconds,
    plots_dir: str | os.PathLike[str] = "plots",
) -> Predictor:
    """Load a model, ready to predict.

    Args:
        model: `best` or `last` checkpoint of the last run; the path of a checkpoint, an ONNX file or an engine;
            `models:/NAME@ALIAS`, `models:/NAME/VERSION` or `runs:/RUN_ID/model` of MLflow, at `MLFLOW_TRACKING_URI` or
            else in `plots_dir`; `hf://OWNER/REPO` or `hf://OWNER/REPO/FILE` of the Hugging Face hub.
        backend: `torch`, `onnx` or `tensorrt`; None for what the file's name says.
        device: `cpu`, `cuda`, or `auto` for CUDA where there is some.
        batch_size: windows per forward pass; None for the `Predictor`'s own.
        overlap: share of a window that the next window repeats, from 0 to below 1.
        threshold: a video, or a moment of it, whose likeliest class is less probable is none of the classes; None for
            the model's own, `ClipContract.threshold`.
        smoothing_seconds, min_seconds, merge_seconds: how actions in time are made of the windows, see
            `SegmentSettings`.
        fps, max_seconds, latency_seconds, reconnect_seconds: how inputs are read, see `InputSettings`.
        plots_dir: where `best`, `last` and the project's MLflow database are.

    Raises:
        UserError: one line that says what is wrong: no such model, a damaged file, a device that there is not.
    """
    given: dict[str, Any] = {
        "overlap": overlap,
        "threshold": threshold,
        "smoothing_seconds": smoothing_seconds,
        "min_seconds": min_seconds,
        "merge_seconds": merge_seconds,
        "fps": fps,
        "max_seconds": max_seconds,
        "latency_seconds": latency_seconds,
        "reconnect_seconds": reconnect_seconds,
    }
    if batch_size is not None:
        given["batch_size"] = batch_size
    allowed = PredictConfig.hints()
    settings = {name: checked(allowed[name], value, name) for name, value in given.items()}
    with model_file(model, plots_dir=os.fspath(plots_dir)) as path:
        loaded = load_backend(path, kind=backend or backend_of(path), device=device)
    if threshold is None:
        settings["threshold"] = loaded.contract.threshold
    segments = SegmentSettings(**{field.name: settings.pop(field.name) for field in fields(SegmentSettings)})
    inputs = InputSettings(**{field.name: settings.pop(field.name) for field in fields(InputSettings)})
    return Predictor(loaded, **settings, segments=segments, inputs=inputs)


@contextmanager
def model_file(model: str | os.PathLike[str], *, plots_dir: str) -> Iterator[Path]:
    """The file that `model` names, as `load` takes it, for the length of a `with` block.

    Raises:
        ConfigError: if no model has this name.
        UserError: if it cannot be downloaded.
    """
    # On demand: these know the configuration, MLflow and the hub's client, which a file on this disk does not need.
    name = os.fsdecode(model)
    if name in ("best", "last"):
        from action_recognition.tracking.run_folders import resolve_checkpoint

        yield resolve_checkpoint(name, plots_dir=plots_dir)
    elif name.startswith(("models:/", "runs:/")):
        from action_recognition.tracking.model_artifacts import fetch_model

        with TemporaryDirectory() as folder:
            yield fetch_model(name, Path(folder), plots_dir=plots_dir)
    elif name.startswith("hf://"):
        from action_recognition.download.model_hub import fetch_hub_model

        yield fetch_hub_model(name)
    else:
        path = Path(name)
        if path.suffix.lower() not in KINDS_BY_SUFFIX and not path.is_file():
            raise ConfigError(
                f"{name!r}: no such model; expected best, last, a model file, models:/NAME@ALIAS or hf://OWNER/REPO"
            )
        yield path
