"""Checkpoints on disk: whole, or not there."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.plugins.io import TorchCheckpointIO

from action_recognition.utils.files import replace_file


class AtomicCheckpointIO(TorchCheckpointIO):
    """Write a checkpoint beside its place and rename it.

    Lightning's own writes to the system's folder for temporary files and moves the file, which is a copy, and no single
    step, where that is another file system; and a full disk there is reported under that folder's name.

    Args:
        saved: called after each checkpoint that is in its place, by the process that wrote it.
    """

    def __init__(self, saved: Callable[[], None]) -> None:
        self.saved = saved

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        content = io.BytesIO()
        torch.save(checkpoint, content)
        replace_file(Path(path), content.getvalue())
        self.saved()
