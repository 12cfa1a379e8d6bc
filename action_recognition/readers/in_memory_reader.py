"""Clips kept in memory once they have been decoded."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from action_recognition.datasets.records import ClipRecord, Manifest
from action_recognition.readers.base import ClipReader, DecodedFrames, Place
from action_recognition.video.clip_files import open_clip
from action_recognition.video.frames import FrameFormat


class InMemoryReader(ClipReader):
    """Decodes a clip whole when it is first asked for, resized, and keeps it: for data sets smaller than memory.

    A worker process keeps clips of its own.

    Args:
        inner: where frames are read from first.
        frame_format: of the frames that are decoded.
    """

    name = "memory"

    def __init__(self, manifest: Manifest, inner: ClipReader, frame_format: FrameFormat) -> None:
        self.inner = inner
        self.videos_dir = Path(manifest.videos_dir)
        self._format = frame_format
        self._records = {record.md5: record for record in manifest.records if not record.error}
        self._kept: dict[str, DecodedFrames] = {}

    def entry(self, md5: str, *, frames: int | None = None) -> DecodedFrames | None:
        """The clip with this checksum; None for one that is not in the manifest.

        Raises:
            VideoError: if it cannot be decoded, now that it is asked for.
        """
        if md5 not in self._kept:
            record = self._records.get(md5)
            if record is None:
                return None
            self._kept[md5] = DecodedFrames(self._read(record, frames))
        return self._kept[md5]

    def _read(self, record: ClipRecord, frames: int | None) -> Any:
        held = self.inner.entry(record.md5, frames=frames)
        if held is not None:
            return held.read(np.arange(record.frames))
        with open_clip(self.videos_dir / record.path, self._format) as clip:
            return np.stack(list(clip))

    def describe(self, records: Sequence[ClipRecord]) -> str:
        return self.inner.describe(records)

    def only_copies(self, records: Sequence[ClipRecord]) -> bool:  # noqa: ARG002
        """Clips in memory are shared by what trains and what validates, as long as no worker has its own."""
        return True

    def places(self, records: Sequence[ClipRecord]) -> list[Place] | None:
        return self.inner.places(records)

    def keep(self, clips: int) -> None:
        self.inner.keep(clips)

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_kept": {}}
