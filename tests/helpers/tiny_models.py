"""Small models for the tests of export and runtime: random weights, but nothing in them is zero or one."""

import functools
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from action_recognition.contract import ClipContract
from action_recognition.export.onnx import ExportReport, export_onnx
from action_recognition.models.module import VideoActionModel

TINY_NETWORK = {"network": "cnn3d", "args": {"widths": [4, 4, 4]}}


def tiny_contract(**changes: object) -> ClipContract:
    values = {
        "frames": 4,
        "stride": 2,
        "short_side": 36,
        "size": 32,
        "mean": (120.0, 110.0, 100.0),
        "std": (60.0, 55.0, 50.0),
        "class_names": ("run", "walk", "wave"),
    }
    return ClipContract(**(values | changes))  # type: ignore[arg-type]


def tiny_model(*, seed: int = 0, memory_format: str = "contiguous", **changes: object) -> VideoActionModel:
    """Batch norm has statistics to fold, and the classifier tells clips apart clearly."""
    contract = tiny_contract(**changes)
    model = VideoActionModel(contract.to_dict(), TINY_NETWORK, memory_format=memory_format).eval()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if name.endswith("running_var"):
                tensor.copy_(torch.rand(tensor.shape, generator=generator) + 0.5)
            elif tensor.is_floating_point():
                tensor.copy_(torch.randn(tensor.shape, generator=generator) * (0.3 if tensor.dim() > 1 else 0.5))
        model.network.head[-1].weight.mul_(8)
    return model


def save_checkpoint(model: VideoActionModel, path: Path) -> Path:
    torch.save({"state_dict": model.state_dict(), "hyper_parameters": dict(model.hparams)}, path)
    return path


@functools.cache
def exported_bytes() -> bytes:
    """The ONNX file of `tiny_model()`; exporting takes seconds, so it is done once."""
    return _exported()[0]


@functools.cache
def export_report() -> ExportReport:
    return _exported()[1]


@functools.cache
def _exported() -> tuple[bytes, ExportReport]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        report = export_onnx(tiny_model(), path, clip_BCTHW=None, opset=20, tolerance=1e-3)
        assert [entry.name for entry in Path(folder).iterdir()] == ["model.onnx"]
        return path.read_bytes(), report


@contextmanager
def file_size_limit(limit: int) -> Iterator[None]:
    """What a full disk does to a writer, without one: writing past `limit` bytes fails."""
    resource = pytest.importorskip("resource")  # not on Windows
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def names_in(folder: Path) -> list[str]:
    """Everything in a folder, hidden files too."""
    return sorted(path.name for path in folder.iterdir())
