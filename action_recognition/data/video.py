"""Decoding videos with OpenCV: sequential, because seeking is inexact and headers lie about the number of frames."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from action_recognition.errors import VideoError

# Clips are decoded side by side by threads and workers; OpenCV's own pool on top would only fight for the same cores.
# It also hangs a worker forked after its first use, so it is switched off here, before there is one.
cv2.setNumThreads(0)

# fmt: off
VIDEO_SUFFIXES = frozenset({
    ".avi", ".mp4", ".m4v", ".mov", ".mkv", ".webm", ".mpg", ".mpeg",
    ".wmv", ".flv", ".3gp", ".ts", ".mts", ".m2ts", ".ogv", ".y4m",
})
# fmt: on
Frame = NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class VideoInfo:
    """What decoding a whole video found; `header_frames` is what its header claims."""

    frames: int
    header_frames: int
    fps: float
    width: int
    height: int

    @property
    def duration_seconds(self) -> float:
        return self.frames / self.fps if self.fps > 0 else 0.0


def resized_size(width: int, height: int, short_side: int) -> tuple[int, int]:
    """Width and height of a frame after `resize_short_side`."""
    scale = short_side / min(height, width)
    return max(short_side, round(width * scale)), max(short_side, round(height * scale))


def resize_short_side(frame_HWC: Frame, short_side: int) -> Frame:
    """Scale so that the shorter side is `short_side` pixels, keeping the aspect ratio to the nearest pixel."""
    height, width = frame_HWC.shape[:2]
    scale = short_side / min(height, width)
    if scale == 1:
        return frame_HWC
    size = resized_size(width, height, short_side)
    interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(frame_HWC, size, interpolation=interpolation), dtype=frame_HWC.dtype)


def square_start(height: int, width: int, size: int, position: float = 0.5) -> tuple[int, int]:
    """Top and left of the `size` x `size` square: centred, but at `position` (0 to 1) along the longer side."""
    top, left = (height - size) // 2, (width - size) // 2
    if height > width:
        return int((height - size) * position), left
    return top, int((width - size) * position)


def center_crop(frames_HWC: Frame, size: int, position: float = 0.5) -> Frame:
    """The central `size` x `size` pixels of `[..., H, W, C]`, or those at `position` along the longer side."""
    height, width = frames_HWC.shape[-3:-1]
    top, left = square_start(height, width, size, position)
    return frames_HWC[..., top : top + size, left : left + size, :]


def check_file(path: Path) -> None:
    """Refuse what cannot be a whole video, before a decoder makes a guess at it.

    Raises:
        VideoError: missing, a directory, empty, or shorter than its own container says (AVI, MP4 and MOV).
    """
    if not path.exists():
        raise VideoError(f"{path}: no such file")
    if not path.is_file():
        raise VideoError(f"{path}: not a file")
    size = path.stat().st_size
    if size == 0:
        raise VideoError(f"{path}: empty file")
    expected = _container_bytes(path, size)
    if expected is not None and expected > size:
        raise VideoError(f"{path}: truncated, {size} bytes of the {expected} that its header promises")


def _container_bytes(path: Path, size: int) -> int | None:
    """Bytes that the file should have by its own account; None for containers that do not say."""
    with path.open("rb") as file:
        head = file.read(12)
        if head[:4] == b"RIFF" and head[8:11] == b"AVI":
            return 8 + int.from_bytes(head[4:8], "little")
        if head[4:8] not in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"):
            return None
        offset = 0
        while offset < size:
            file.seek(offset)
            box = file.read(16)
            length = int.from_bytes(box[:4], "big")
            if length == 1:
                length = int.from_bytes(box[8:16], "big")
            if length == 0 or len(box) < 8:  # 0: the box goes on to the end of the file
                return size
            offset += max(length, 8)
        return offset


@contextmanager
def _opened(path: Path) -> Iterator[cv2.VideoCapture]:
    check_file(path)
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    try:
        if not capture.isOpened():
            raise VideoError(f"{path}: not a video that FFmpeg can decode")
        yield capture
    finally:
        capture.release()


def probe(path: Path) -> VideoInfo:
    """Count the frames of a video by going through all of it (without colour conversion, so about twice as fast).

    Raises:
        VideoError: if the file is missing, empty, truncated, not a video, or holds no frame.
    """
    with _opened(path) as capture:
        frames = 0
        while capture.grab():
            frames += 1
        if frames == 0:
            raise VideoError(f"{path}: no frame could be decoded")
        return VideoInfo(
            frames=frames,
            header_frames=int(capture.get(cv2.CAP_PROP_FRAME_COUNT)),
            fps=float(capture.get(cv2.CAP_PROP_FPS)),
            width=int(capture.get(cv2.CAP_PROP_FRAME_WIDTH)),
            height=int(capture.get(cv2.CAP_PROP_FRAME_HEIGHT)),
        )


def iter_frames(path: Path, *, short_side: int | None = None) -> Iterator[Frame]:
    """All frames in order, RGB uint8 `[H, W, 3]`, resized to `short_side` if given. Holds one frame at a time.

    Raises:
        VideoError: as `probe`.
    """
    with _opened(path) as capture:
        count = 0
        while True:
            ok, frame_BGR = capture.read()
            if not ok:
                break
            count += 1
            yield _converted(frame_BGR, short_side)
        if count == 0:
            raise VideoError(f"{path}: no frame could be decoded")


def read_frames(path: Path, indices: NDArray[np.int64], *, short_side: int | None = None) -> Frame:
    """The frames numbered `indices`, RGB uint8 `[len(indices), H, W, 3]`.

    Frames between them are decoded but neither converted nor copied; nothing after the last one is touched.

    Args:
        indices: `[N]` in any order, repeats allowed.

    Raises:
        VideoError: as `probe`, or if the video ends before the largest index.
    """
    wanted = set(map(int, indices))
    last = max(wanted)
    found: dict[int, Frame] = {}
    with _opened(path) as capture:
        for number in range(last + 1):
            if not capture.grab():
                raise VideoError(f"{path}: ends after {number} frames, frame {last} was asked for")
            if number in wanted:
                ok, frame_BGR = capture.retrieve()
                if not ok:
                    raise VideoError(f"{path}: frame {number} could not be decoded")
                found[number] = _converted(frame_BGR, short_side)
    return np.stack([found[int(index)] for index in indices])


def frame_rate(path: Path) -> float:
    """Frames a second by the header, 0.0 where it does not say."""
    with _opened(path) as capture:
        return float(capture.get(cv2.CAP_PROP_FPS))


def header_frame_count(path: Path) -> int:
    """Frames by the header, 0 or less where it does not say; decoding often finds fewer."""
    with _opened(path) as capture:
        return int(capture.get(cv2.CAP_PROP_FRAME_COUNT))


def _converted(frame_BGR: NDArray, short_side: int | None) -> Frame:
    """Resize first: fewer pixels to convert."""
    if short_side is not None:
        frame_BGR = resize_short_side(frame_BGR, short_side)
    return np.asarray(cv2.cvtColor(frame_BGR, cv2.COLOR_BGR2RGB), dtype=np.uint8)
