"""Video action recognition, end to end.

What a notebook needs is here by name (`PUBLIC` lists it): `from action_recognition import VideoActionModel`. A name
imports its module when it is first used, so that `import action_recognition` costs no torch.
"""

import os
from importlib import import_module
from typing import Any

# Read when a library is imported, wherever that happens first; a user's own setting goes first.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
# FFmpeg's and OpenCV's own chatter about a broken file would come beside our one line about it.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
os.environ.setdefault("OPENCV_LOG_LEVEL", "OFF")

PUBLIC = {
    # Running models
    "load": "inference.load",
    "Predictor": "inference.predictor",
    "Prediction": "inference.prediction",
    "Window": "inference.segments",
    "Segment": "inference.segments",
    "SegmentSettings": "inference.segments",
    "expand_inputs": "inference.inputs.expand",
    "load_backend": "inference.backends",
    "Backend": "inference.backends",
    "ClipContract": "contract",
    "UserError": "errors",
    # Training them
    "load_config": "config",
    "Config": "config",
    "open_data": "data.open",
    "build_manifest": "datasets.manifest",
    "Manifest": "datasets.records",
    "make_contract": "data.datamodule",
    "ClipDataModule": "data.datamodule",
    "ClipDataset": "data.dataset",
    "ClipBatch": "data.dataset",
    "already_collated": "data.dataset",
    "ClipAugment": "transforms.augment",
    "VideoActionModel": "models.module",
    "make_model": "training.preparation",
    "Metric": "evaluation.metrics",
    "register_metric": "evaluation.metrics",
}


def __getattr__(name: str) -> Any:
    if name not in PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{PUBLIC[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *PUBLIC})
