"""All commands by name, in the order in which they are listed. Looking one up imports its module, which is quick."""

from pkgutil import resolve_name
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from action_recognition.cli.command import Command

COMMANDS = {
    "download-data": "action_recognition.cli.download_data:run",
    "check-data": "action_recognition.cli.check_data:run",
    "cache-data": "action_recognition.cli.cache_data:run",
    "export-shards": "action_recognition.cli.export_shards:run",
    "train": "action_recognition.cli.train:train",
    "train-ml-flow": "action_recognition.cli.train:train_ml_flow",
    "train-ml-flow-dvc": "action_recognition.cli.train:train_ml_flow_dvc",
    "train-ml-flow-server-dvc": "action_recognition.cli.train:train_ml_flow_server_dvc",
    "infer": "action_recognition.cli.infer:infer",
    "infer-ml-flow": "action_recognition.cli.infer:infer_ml_flow",
    "calibrate": "action_recognition.cli.calibrate:run",
    "index-to-class": "action_recognition.cli.export:index_to_class",
    "export-onnx": "action_recognition.cli.export:export_onnx",
    "convert-trt": "action_recognition.cli.export:convert_trt",
    "infer-from-onnx": "action_recognition.cli.predict:infer_from_onnx",
    "predict": "action_recognition.cli.predict:predict",
    "visualize": "action_recognition.cli.visualize:visualize",
    "list-layers": "action_recognition.cli.visualize:list_layers",
    "compare-models": "action_recognition.cli.compare_models:run",
    "compare-runs": "action_recognition.cli.compare_runs:run",
    "evaluate-splits": "action_recognition.cli.evaluate_splits:evaluate_splits",
    "evaluate-splits-ml-flow": "action_recognition.cli.evaluate_splits:evaluate_splits_ml_flow",
    "tune": "action_recognition.cli.tune:run",
    "demo": "action_recognition.cli.demo:run",
    "config": "action_recognition.cli.config:run",
    "completion": "action_recognition.cli.completion:run",
}


def load_command(place: str) -> "Command":
    """The command at `module:object`."""
    found: Command = resolve_name(place)
    return found
