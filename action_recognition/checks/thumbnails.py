"""What check-data looks at in each clip: the header's frame count and a few tiny grey frames.

Thumbnails are made in parallel, in one pass over each clip, and kept in `.cache/thumbnails/` by the clip's checksum, so
that a second check decodes only what has changed.
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from action_recognition.config import DataConfig
from action_recognition.datasets.records import ClipRecord
from action_recognition.errors import VideoError
from action_recognition.utils.files import replacing
from action_recognition.video.clip_files import open_clip
from action_recognition.video.frames import FrameFormat

SAMPLES = 12  # frames per clip: every 8th frame of a clip of HMDB51's mean length
SKETCH_SIZE = 8
# Frames are first brought to this size: less memory where videos are large.
DECODED = FrameFormat(short_side=64)
Gray = NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class Thumbnails:
    """`gray_THW` holds `SAMPLES` evenly spaced frames, uint8 `[12, 8, 8]`; `header_frames` is 0 if it does not say."""

    header_frames: int
    gray_THW: Gray


def make_thumbnails(
    records: Sequence[ClipRecord],
    data: DataConfig,
    *,
    cache_dir: Path = Path(".cache/thumbnails"),
    progress: Callable[[int, int], None] | None = None,
) -> tuple[dict[str, Thumbnails], dict[str, str]]:
    """Make the thumbnails that are not in the cache, in parallel.

    Args:
        records: decodable clips.
        progress: called with (done, total).

    Returns:
        Thumbnails by the clip's md5, and an error line by path for each clip that could not be decoded after all.
    """
    videos_dir = Path(data.videos_dir)
    key = hashlib.sha256(str(videos_dir.resolve()).encode(errors="surrogateescape")).hexdigest()[:12]
    cache = cache_dir / f"{data.name}-{key}.npz"
    wanted = {record.md5: record for record in records}
    thumbnails = {md5: thumbnail for md5, thumbnail in read_thumbnails(cache).items() if md5 in wanted}
    missing = [record for md5, record in wanted.items() if md5 not in thumbnails]
    errors: dict[str, str] = {}

    def attempt(record: ClipRecord) -> Thumbnails | VideoError:
        try:
            return thumbnails_of(videos_dir / record.path, frames=record.frames)
        except VideoError as error:
            return error

    # Threads: OpenCV leaves the interpreter lock while it decodes.
    with ThreadPoolExecutor() as pool:
        for done, (record, result) in enumerate(zip(missing, pool.map(attempt, missing), strict=True), start=1):
            if isinstance(result, VideoError):
                errors[record.path] = str(result)
            else:
                thumbnails[record.md5] = result
            if progress:
                progress(done, len(missing))
    if missing:
        write_thumbnails(cache, thumbnails)
    return thumbnails, errors


def thumbnails_of(path: Path, *, frames: int) -> Thumbnails:
    """Decode a clip of `frames` frames to its end.

    Raises:
        VideoError: if it cannot be decoded that far.
    """
    indices = np.linspace(0, frames - 1, SAMPLES).round().astype(np.int64)
    with open_clip(path, DECODED) as clip:
        gray_THW = to_gray(clip.frames_at(indices), size=SKETCH_SIZE)
        return Thumbnails(header_frames=max(0, clip.metadata.frames), gray_THW=gray_THW)


def gray_frames(path: Path, *, size: int) -> Gray:
    """All frames of a video as grey squares, uint8 `[T, size, size]`."""
    with open_clip(path, DECODED) as clip:
        return to_gray(clip, size=size)


def to_gray(frames_HWC: Iterable[NDArray[np.uint8]], *, size: int) -> Gray:
    """Frames squeezed to uint8 `[T, size, size]`, whatever their shape was."""
    small = (cv2.resize(frame, (size, size), interpolation=cv2.INTER_AREA) for frame in frames_HWC)
    return np.stack([np.asarray(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), dtype=np.uint8) for frame in small])


def read_thumbnails(path: Path) -> dict[str, Thumbnails]:
    """The cache; one that cannot be read counts as empty."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            md5_N, header_N, gray_NTHW = stored["md5"], stored["header_frames"], stored["gray"]
        types = gray_NTHW.dtype, header_N.dtype.kind, gray_NTHW.shape[1:]
        if types != (np.uint8, "i", (SAMPLES, SKETCH_SIZE, SKETCH_SIZE)):
            return {}
        rows = list(zip(md5_N, header_N, gray_NTHW, strict=True))
    except Exception:  # damaged zip files and arrays raise many kinds
        return {}
    return {str(md5): Thumbnails(header_frames=int(header), gray_THW=gray_THW) for md5, header, gray_THW in rows}


def write_thumbnails(path: Path, thumbnails: dict[str, Thumbnails]) -> None:
    gray = [thumbnail.gray_THW for thumbnail in thumbnails.values()]
    with replacing(path) as partial:
        np.savez(
            partial,
            md5=np.array(list(thumbnails), dtype="U32"),
            header_frames=np.array([thumbnail.header_frames for thumbnail in thumbnails.values()], dtype=np.int64),
            gray=np.array(gray, dtype=np.uint8).reshape(-1, SAMPLES, SKETCH_SIZE, SKETCH_SIZE),
        )
