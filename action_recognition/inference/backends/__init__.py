"""One interface to a model, whatever runs it. A new backend is a file here and a branch in `load_backend`."""

import sys
from functools import cache
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from action_recognition.contract import ClipContract
from action_recognition.errors import ConfigError, ContractError, check_choice
from action_recognition.utils.text import printable

MADE_BY = {"torch": "train", "onnx": "export-onnx", "tensorrt": "convert-trt"}
DEVICES = ("auto", "cpu", "cuda")
KINDS_BY_SUFFIX = {".ckpt": "torch", ".pt": "torch", ".pth": "torch", ".onnx": "onnx", ".engine": "tensorrt"}


class Backend(Protocol):
    """A model ready to run.

    Attributes:
        contract: what its clips are and what its outputs mean.
        device: `cpu` or `cuda`, where it really runs.
    """

    contract: ClipContract
    device: str

    def __call__(self, clip_BCTHW: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Logits `[B, K]` of clips `[B, C, T, H, W]` of the contract's dtype, B from 1."""
        ...


def backend_of(path: Path) -> str:
    """The kind of backend that runs a model file, by its suffix.

    Raises:
        ConfigError: for any other suffix.
    """
    kind = KINDS_BY_SUFFIX.get(path.suffix.lower())
    if kind is None:
        raise ConfigError(
            f"{path}: which backend runs it cannot be told from its name; expected .ckpt, .onnx or .engine, or a "
            f"backend: {', '.join(MADE_BY)}"
        )
    return kind


def load_backend(path: Path, *, kind: str, device: str, threads: int | None = None) -> Backend:
    """Load a checkpoint, an ONNX file or an engine; says on stderr if its clips are counted in frames, not in time.

    Args:
        kind: `torch`, `onnx` or `tensorrt` (which runs engines of TensorRT and of TensorRT for RTX).
        device: `cpu`, `cuda`, or `auto` for CUDA where there is some.
        threads: of the model on a CPU; None for one per core.

    Raises:
        ConfigError: for another kind or device.
        ContractError: if the file is missing, is not what `kind` says, or holds no contract of this version.
        MissingLibraryError: if the backend's library is not installed.
        UserError: if `device` cannot be had.
    """
    check_choice("predict.backend", kind, MADE_BY)
    check_choice("predict.device", device, DEVICES)
    if not path.is_file():
        raise ContractError(f"{path}: no such model file; make one: python commands.py {MADE_BY[kind]}")
    backend = _load(path, kind, device, threads)
    contract = backend.contract
    if contract.fps == 0 and contract.channels == 3 and contract.frames > 1:
        _say_without_rate(path)
    return backend


def _load(path: Path, kind: str, device: str, threads: int | None) -> Backend:
    # Imported on demand: the ONNX backend starts in a fifth of the time that torch takes to import.
    if kind == "torch":
        from action_recognition.inference.backends.torch import TorchBackend

        return TorchBackend(path, device=device, threads=threads)
    if kind == "onnx":
        from action_recognition.inference.backends.onnx import OnnxBackend

        return OnnxBackend(path, device=device, threads=threads)
    from action_recognition.inference.backends.tensorrt import TensorRTBackend

    return TensorRTBackend(path, device=device)


@cache  # once per file
def _say_without_rate(path: Path) -> None:
    line = (
        "its contract does not say at which frame rate it was trained; videos are sampled by frame number; train it "
        "again to have them sampled by time"
    )
    print(f"{printable(path)}: {line}", file=sys.stderr, flush=True)
