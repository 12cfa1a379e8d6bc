"""Small pictures of clips, alone and as a sheet with their labels."""

import io
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np

from action_recognition.datasets.records import ClipRecord
from action_recognition.errors import VideoError
from action_recognition.reports.figures import plt, save_figure
from action_recognition.utils.text import printable
from action_recognition.video.clip_files import open_clip
from action_recognition.video.frames import FrameFormat

QUALITY = 72
RIGHT, WRONG = "#1a7f37", "#b3261e"


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
        with open_clip(videos_dir / record.path, FrameFormat(short_side=height)) as clip:
            frames_THWC = clip.frames_at(places.astype(np.int64))
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


def write_labelled_sheet(
    path: Path, strips: Sequence[bytes | None], captions: Sequence[str], right: Sequence[bool]
) -> None:
    """Strips below each other with what they show and what a model says, in green where that is right, else in red.

    Args:
        strips: JPEG files of about one size; None where a clip could not be decoded.
        captions: one per strip; colours alone would not tell everybody which is right.
    """
    figure, axes = plt.subplots(len(strips), 1, figsize=(8.0, 1.35 * len(strips)), squeeze=False, layout="constrained")
    for axis, strip, caption, is_right in zip(axes[:, 0], strips, captions, right, strict=True):
        color = RIGHT if is_right else WRONG
        if strip is not None:
            axis.imshow(plt.imread(io.BytesIO(strip), format="jpg"))
        axis.set_title(printable(caption), loc="left", color=color, fontsize=10, parse_math=False)
        axis.set(xticks=[], yticks=[])
        axis.spines[:].set(color=color, linewidth=2, visible=True)
    save_figure(figure, path)
