"""Clips that stay in memory once they are decoded."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from action_recognition.datasets.records import ClipRecord, Manifest
from action_recognition.readers.base import ClipReader, DecodedFrames, Place
from action_recognition.video.clip_files import open_clip
from action_recognition.video.frames import FrameFormat


class InMemoryReader(ClipReader):
    """Reads or decodes a whole clip at its first use, and keeps it: for data sets smaller than memory.

    Each worker process keeps its own clips. Clips that `inner` lacks are decoded to `frame_format`.
    """

    name = "memory"

    def __init__(self, manifest: Manifest, inner: ClipReader, frame_format: FrameFormat) -> None:
        self.inner = inner
        self.videos_dir = Path(manifest.videos_dir)
        self._format = frame_format
        self._records = {record.md5: record for record in manifest.records if not record.error}
        self._kept: dict[str, DecodedFrames] = {}

    def entry(self, md5: str, *, frames: int | None = None) -> DecodedFrames | None:
        """The clip with this checksum, or None if it is not in the manifest; `VideoError` if it cannot be decoded."""
        if md5 not in self._kept:
            record = self._records.get(md5)
            if record is None:
                return None
            if (held := self.inner.entry(md5, frames=frames)) is not None:
                frames_NHWC = held.read(np.arange(record.frames))
            else:
                with open_clip(self.videos_dir / record.path, self._format) as clip:
                    frames_NHWC = np.stack(list(clip))
            self._kept[md5] = DecodedFrames(frames_NHWC)
        return self._kept[md5]

    def describe(self, records: Sequence[ClipRecord]) -> str:
        return self.inner.describe(records)

    def only_copies(self, records: Sequence[ClipRecord]) -> bool:  # noqa: ARG002
        """True, because only threads share the clips in memory between training and validation."""
        return True

    def places(self, records: Sequence[ClipRecord]) -> list[Place] | None:
        return self.inner.places(records)

    def keep(self, clips: int) -> None:
        self.inner.keep(clips)

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_kept": {}}
