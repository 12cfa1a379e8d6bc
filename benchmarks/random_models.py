"""Models with random weights, for benchmarks of speed."""

from dataclasses import asdict
from pathlib import Path

from action_recognition.config import load_config
from action_recognition.contract import ClipContract
from action_recognition.export.onnx import export_onnx
from action_recognition.models.module import VideoActionModel

CLASSES = tuple(f"class{number:02d}" for number in range(51))


def exported(network: str, clip: str, folder: Path) -> Path:
    """An ONNX file of a network, by the names of options of `conf/model/` and `conf/clip/`."""
    config = load_config([f"model={network}", f"clip={clip}"])
    values = asdict(config.clip) | {"mean": tuple(config.clip.mean), "std": tuple(config.clip.std), "fps": 30.0}
    contract = ClipContract(**values, class_names=CLASSES)
    model = VideoActionModel(contract.to_dict(), {"network": config.model.network, "args": dict(config.model.args)})
    path = folder / "model.onnx"
    export_onnx(model.eval(), path, clip_BCTHW=None, opset=config.export.opset, tolerance=config.export.tolerance)
    return path
