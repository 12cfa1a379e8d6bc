"""Video action recognition, end to end.

What a notebook needs is here by name (`PUBLIC` lists it): `from action_recognition import VideoActionModel`. A name
imports its module when it is first used, so that `import action_recognition` costs no torch.
"""

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # editors and type checkers look here
    from action_recognition.config import Config as Config
    from action_recognition.config import load_config as load_config
    from action_recognition.contract import ClipContract as ClipContract
    from action_recognition.data.datamodule import ClipDataModule as ClipDataModule
    from action_recognition.data.datamodule import make_contract as make_contract
    from action_recognition.data.dataset import ClipBatch as ClipBatch
    from action_recognition.data.dataset import ClipDataset as ClipDataset
    from action_recognition.data.dataset import already_collated as already_collated
    from action_recognition.data.open import open_data as open_data
    from action_recognition.datasets.manifest import build_manifest as build_manifest
    from action_recognition.datasets.records import Manifest as Manifest
    from action_recognition.errors import UserError as UserError
    from action_recognition.evaluation.metrics import Metric as Metric
    from action_recognition.evaluation.metrics import register_metric as register_metric
    from action_recognition.inference.backends import Backend as Backend
    from action_recognition.inference.backends import load_backend as load_backend
    from action_recognition.inference.inputs.expand import expand_inputs as expand_inputs
    from action_recognition.inference.load import load as load
    from action_recognition.inference.prediction import Prediction as Prediction
    from action_recognition.inference.predictor import Predictor as Predictor
    from action_recognition.inference.temporal.segments import Segment as Segment
    from action_recognition.inference.temporal.segments import SegmentSettings as SegmentSettings
    from action_recognition.inference.temporal.segments import Window as Window
    from action_recognition.models.module import VideoActionModel as VideoActionModel
    from action_recognition.training.preparation import make_model as make_model
    from action_recognition.transforms.augment import ClipAugment as ClipAugment

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
    "Window": "inference.temporal.segments",
    "Segment": "inference.temporal.segments",
    "SegmentSettings": "inference.temporal.segments",
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
