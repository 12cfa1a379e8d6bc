"""The frames of a clip as JPEG files, for shards to hold."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from action_recognition.datasets.records import ClipRecord
from action_recognition.readers.shards.tar_clip import encode_jpeg
from action_recognition.readers.store.reader import ClipStore, JpegEntry
from action_recognition.video.clip_files import open_clip
from action_recognition.video.frames import FrameFormat


class JpegFrames:
    """Frames come from the clip store where it holds them: as they are, if they are JPEG of the same quality.

    Args:
        store: None where there is none, and every clip is decoded.
        short_side: of the frames in pixels.
        quality: of the JPEG files, 1 to 100.
    """

    def __init__(self, store: ClipStore | None, videos_dir: Path, *, short_side: int, quality: int) -> None:
        self.store, self.videos_dir = store, videos_dir
        self.short_side, self.quality = short_side, quality

    def __call__(self, record: ClipRecord) -> Sequence[bytes]:
        """All frames of a clip.

        Raises:
            VideoError: if it cannot be decoded.
        """
        entry = self.store.entry(record.md5, frames=record.frames) if self.store else None
        if entry is None:
            with open_clip(self.videos_dir / record.path, FrameFormat(short_side=self.short_side)) as clip:
                return [encode_jpeg(frame_HWC, self.quality) for frame_HWC in clip]
        if isinstance(entry, JpegEntry) and entry.quality == self.quality:
            return entry.jpegs()
        return [encode_jpeg(frame_HWC, self.quality) for frame_HWC in entry.read(np.arange(record.frames))]
