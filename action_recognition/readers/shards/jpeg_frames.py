"""The frames of a clip as JPEG files, for shards."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from action_recognition.datasets.records import ClipRecord
from action_recognition.readers.store.entry import encode_jpeg
from action_recognition.readers.store.reader import ClipStore, JpegEntry
from action_recognition.video.clip_files import open_clip
from action_recognition.video.frames import FrameFormat


def read_jpegs(
    record: ClipRecord, *, store: ClipStore | None, videos_dir: Path, short_side: int, quality: int
) -> Sequence[bytes]:
    """All frames of a clip, from the store if it has them; JPEG files of the same `quality` are not encoded again.

    Raises:
        VideoError: if the clip cannot be decoded.
    """
    entry = store.entry(record.md5, frames=record.frames) if store else None
    if entry is None:
        with open_clip(videos_dir / record.path, FrameFormat(short_side=short_side)) as clip:
            return [encode_jpeg(frame_HWC, quality) for frame_HWC in clip]
    if isinstance(entry, JpegEntry) and entry.quality == quality:
        return entry.jpegs()
    return [encode_jpeg(frame_HWC, quality) for frame_HWC in entry.read(np.arange(record.frames))]
