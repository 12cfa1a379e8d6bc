"""Engines, run by TensorRT or TensorRT for RTX; the sidecar says which. torch holds the memory on the GPU."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from action_recognition.errors import ContractError, UserError
from action_recognition.export.engine import (
    ENGINE_KINDS,
    EngineInfo,
    gpu_capability,
    load_library,
    make_log,
    sidecar_path,
)
from action_recognition.export.onnx import INPUT_NAME, OUTPUT_NAME

AGAIN = "build it again here: python commands.py convert-trt"


class TensorRTBackend:
    """An engine on the GPU it was built for.

    Batches larger than the engine's profile are run in parts; smaller ones are filled up with their last clip.

    Raises:
        ContractError: if the sidecar is missing, of another version, or of another engine.
        MissingLibraryError: if the library that built it is not installed.
        UserError: without a GPU, on another GPU or another version of the library than it was built for.
    """

    device = "cuda"

    def __init__(self, path: Path, *, device: str) -> None:
        self.info = EngineInfo.read(sidecar_path(path))
        self.contract = self.info.contract
        plan = path.read_bytes()
        if hashlib.sha256(plan).hexdigest() != self.info.engine_sha256:
            raise ContractError(f"{path}: not the engine that {sidecar_path(path).name} describes; {AGAIN}")
        check_gpu(self.info, path, device=device)
        library = load_library(self.info.engine)
        check_version(self.info, path, installed=str(library.__version__))
        self._log = make_log(library)
        self._runtime = library.Runtime(self._log)
        self._engine = self._runtime.deserialize_cuda_engine(plan)
        self._context: Any = self._engine.create_execution_context() if self._engine else None
        if self._context is None:
            raise UserError(f"{path}: {library.__name__} cannot load it ({self._log.reason()}); {AGAIN}")
        # Its own stream: the default one makes every call wait for all others.
        self._stream = torch.cuda.Stream()

    def __call__(self, clip_BCTHW: NDArray[np.uint8]) -> NDArray[np.float32]:
        most = self.info.max_batch
        parts = [self._run(clip_BCTHW[i : i + most]) for i in range(0, len(clip_BCTHW), most)]
        return np.concatenate(parts)

    def _run(self, clip_BCTHW: NDArray[np.uint8]) -> NDArray[np.float32]:
        count = len(clip_BCTHW)
        filled_BCTHW = fill_batch(clip_BCTHW, self.info.min_batch)
        if filled_BCTHW.dtype == np.uint16:
            filled_BCTHW = filled_BCTHW.astype(np.int32)  # see `export.tensorrt.widened`
        with torch.cuda.stream(self._stream):
            clip = torch.from_numpy(filled_BCTHW).to("cuda")
            logits = torch.empty(len(filled_BCTHW), self.contract.num_classes, dtype=torch.float32, device="cuda")
            self._context.set_input_shape(INPUT_NAME, tuple(clip.shape))
            self._context.set_tensor_address(INPUT_NAME, clip.data_ptr())
            self._context.set_tensor_address(OUTPUT_NAME, logits.data_ptr())
            done = self._context.execute_async_v3(self._stream.cuda_stream)
            if not done:
                raise UserError(f"the engine failed on a batch of {len(clip)} clips ({self._log.reason()})")
            return np.asarray(logits[:count].cpu().numpy(), dtype=np.float32)


def fill_batch(clip_BCTHW: NDArray[np.uint8], least: int) -> NDArray[np.uint8]:
    """At least `least` clips, contiguous; the last one is repeated to fill the batch."""
    repeated = clip_BCTHW[-1:].repeat(max(0, least - len(clip_BCTHW)), axis=0)
    return np.ascontiguousarray(np.concatenate([clip_BCTHW, repeated]) if len(repeated) else clip_BCTHW)


def check_gpu(info: EngineInfo, path: Path, *, device: str) -> None:
    """Raise `UserError` if the device is the CPU, there is no GPU, or the engine was built for another one."""
    if device == "cpu":
        raise UserError("predict.device=cpu: engines run on a GPU; use predict.backend=onnx on the CPU")
    own = gpu_capability()
    if own is None:
        raise UserError(f"{path}: engines run on a GPU and this machine has none; use predict.backend=onnx")
    if own != info.compute_capability:
        raise UserError(
            f"{path}: built for compute capability {info.compute_capability}, this machine's GPU has {own}; {AGAIN}"
        )


def check_version(info: EngineInfo, path: Path, *, installed: str) -> None:
    """Raise `UserError` if another version of the library built the engine; the library's own message is long."""
    if installed != info.library_version:
        label = ENGINE_KINDS[info.engine].label
        raise UserError(f"{path}: built by {label} {info.library_version}, {installed} is installed; {AGAIN}")
