"""Checkpoints, run by torch."""

import time
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from action_recognition.errors import UserError
from action_recognition.models.module import MEMORY_FORMATS, VideoActionModel


class TorchBackend:
    """A checkpoint in float32, in whichever memory format runs one clip faster here.

    Args:
        threads: on the CPU, of the whole process; None to leave them as they are.

    Raises:
        ContractError: if `path` is no checkpoint of this project.
        UserError: if `device` is `cuda` and torch sees no GPU.
    """

    def __init__(self, path: Path, *, device: str, threads: int | None = None) -> None:
        if threads:
            torch.set_num_threads(threads)
        if device == "cuda" and not torch.cuda.is_available():
            raise UserError("predict.device=cuda: torch sees no GPU; use predict.device=cpu or auto")
        self.device = "cuda" if device != "cpu" and torch.cuda.is_available() else "cpu"
        self._model = VideoActionModel.from_checkpoint(path, device=self.device)
        self.contract = self._model.contract
        self.memory_format = min(MEMORY_FORMATS, key=self._seconds)
        self._use(self.memory_format)

    def __call__(self, clip_BCTHW: NDArray[np.uint8]) -> NDArray[np.float32]:
        with torch.inference_mode():
            logits_BK = self._model(torch.from_numpy(clip_BCTHW).to(self.device))
            return np.asarray(logits_BK.cpu().numpy(), dtype=np.float32)

    def _use(self, memory_format: str) -> None:
        self._model.memory_format = MEMORY_FORMATS[memory_format]
        self._model.network.to(memory_format=MEMORY_FORMATS[memory_format])

    def _seconds(self, memory_format: str) -> float:
        """How long one clip takes, after a run that is not counted."""
        self._use(memory_format)
        clip_BCTHW = np.zeros((1, *self.contract.clip_shape), dtype=self.contract.dtype)
        self(clip_BCTHW)
        started = time.perf_counter()
        self(clip_BCTHW)
        return time.perf_counter() - started
