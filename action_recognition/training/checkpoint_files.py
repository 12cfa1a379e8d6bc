"""Checkpoints are written whole or not at all."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.plugins.io import TorchCheckpointIO

from action_recognition.utils.files import replace_file


class AtomicCheckpointIO(TorchCheckpointIO):
    """Write a checkpoint to a temporary file beside its place, then rename it.

    Lightning's own plugin writes to the system's temporary folder and moves the file. On another file system that is a
    copy, not a single step, and a full disk is reported under the temporary folder's name.

    Args:
        saved: called after each checkpoint is in place, by the process that wrote it.
    """

    def __init__(self, saved: Callable[[], None]) -> None:
        self.saved = saved

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        content = io.BytesIO()
        torch.save(checkpoint, content)
        replace_file(Path(path), content.getvalue())
        self.saved()
