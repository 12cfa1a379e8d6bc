"""Small pictures of clips for the report."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np

from action_recognition.datasets.records import ClipRecord
from action_recognition.errors import VideoError
from action_recognition.video.clip_files import read_clip_frames

QUALITY = 72


def strips(records: Sequence[ClipRecord], videos_dir: Path, *, frames: int, height: int) -> list[bytes | None]:
    """For each clip a JPEG of evenly spaced frames side by side, decoded in parallel; None for a broken clip.

    Args:
        frames: frames in a strip; a single one is the clip's middle.
        height: shorter side of a frame in pixels.
    """
    with ThreadPoolExecutor() as pool:
        return list(pool.map(lambda record: _strip(record, videos_dir, frames=frames, height=height), records))


def _strip(record: ClipRecord, videos_dir: Path, *, frames: int, height: int) -> bytes | None:
    if record.error:
        return None
    places = (np.arange(frames) + 0.5) * record.frames / frames
    try:
        frames_THWC = read_clip_frames(videos_dir / record.path, places.astype(np.int64), short_side=height)
    except VideoError:
        return None
    strip_HWC = cv2.cvtColor(np.concatenate(list(frames_THWC), axis=1), cv2.COLOR_RGB2BGR)
    done, jpeg = cv2.imencode(".jpg", strip_HWC, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    return jpeg.tobytes() if done else None


def typical_clips(records: Sequence[ClipRecord], *, count: int) -> list[ClipRecord]:
    """Up to `count` readable clips, each of another source video as far as there are enough."""
    readable = [record for record in records if not record.error]
    first_of_source = {record.source_video: record for record in reversed(readable)}
    firsts = sorted(first_of_source.values(), key=lambda record: record.path)
    others = [record for record in readable if first_of_source[record.source_video] is not record]
    if len(firsts) < count:
        return (firsts + others)[:count]
    return [firsts[n * len(firsts) // count] for n in range(count)]
