"""Clips read in one call, for tests that open nothing twice."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from action_recognition.video.clip_files import open_clip
from action_recognition.video.frames import ClipMetadata, FrameFormat


def read_all(path: Path, **wanted: int) -> np.ndarray:
    """All frames, `[T, H, W, C]`; `wanted` are fields of a `FrameFormat`."""
    with open_clip(path, FrameFormat(**wanted)) as clip:
        return np.stack(list(clip))


def read_at(path: Path, indices: Sequence[int], **wanted: int) -> np.ndarray:
    with open_clip(path, FrameFormat(**wanted)) as clip:
        return clip.frames_at(np.array(indices))


def probe(path: Path) -> ClipMetadata:
    with open_clip(path) as clip:
        return clip.probe()


READINGS = (probe, read_all, lambda path: read_at(path, [0]))
