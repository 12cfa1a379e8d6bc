"""Frames: the format a reader asks for, and how they are resized and cropped."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import cv2
import numpy as np
from numpy.typing import NDArray

from action_recognition.contract import ClipContract
from action_recognition.errors import VideoError
from action_recognition.video.frame_times import encode_times, even_rate
from action_recognition.video.pixel_limit import check_pixels

# Threads and workers already decode clips in parallel; OpenCV's own pool would compete for the same cores. It also
# hangs a worker forked after its first use, so it is switched off here, before there is one.
cv2.setNumThreads(0)

Frame = NDArray[np.uint8]

# A panorama, or a file made to fill the memory: a line of 120,000 x 1 pixels would be scaled to 15,360,000 x 128. Only
# squares at the start, the middle and the end of the longer side are ever used (three-crop testing), so frames longer
# than `MAX_ASPECT` are cut to these three parts.
MAX_ASPECT = 12


@dataclass(frozen=True, kw_only=True)
class FrameFormat:
    """The format in which the frames of a clip are read.

    Attributes:
        short_side: pixels of the shorter side after resizing; None leaves frames unchanged.
        channels: 3 for RGB uint8 from any video or image; 1 for the unchanged values of depth images.
        bits: 8 or 16 per depth value; None accepts both.
    """

    short_side: int | None = None
    channels: int = 3
    bits: int | None = 8

    @classmethod
    def of(cls, contract: ClipContract) -> Self:
        """The format of frames that clips of this contract are cropped from."""
        return cls(short_side=contract.short_side, channels=contract.channels, bits=contract.bits)

    def check_colours(self, path: Path | str) -> None:
        """Raise `VideoError` if the format is that of depth images, which no video holds."""
        if self.channels != 3:
            raise VideoError(f"{path}: not an image; expected a folder of depth images, {self.channels} channel each")

    def check_pixels(self, path: Path | str, width: int, height: int) -> None:
        """Raise `VideoError` if frames of this size have too many pixels, before or after resizing."""
        check_pixels(path, width, height)
        if self.short_side is not None and width > 0 and height > 0:
            check_pixels(path, *resized_size(width, height, self.short_side), resized=True)

    def resized(self, frame_HWC: Frame) -> Frame:
        return frame_HWC if self.short_side is None else resize_short_side(frame_HWC, self.short_side)


AS_THEY_ARE = FrameFormat()


@dataclass(frozen=True, kw_only=True)
class ClipMetadata:
    """The number, rate and size of a clip's frames.

    Attributes:
        frames: the number that decoding found (`probe`), or that the header claims (`metadata`): often too many, and 0
            or less if it does not say.
        fps: frames per second by the header, or as measured if that is wrong (`probe`); 0.0 if unknown, and for images.
        width, height: pixels of a frame before resizing.
        frame_ms: milliseconds from each frame to the next (`frame_times.encode_times`), if decoding found that they are
            not evenly spaced; otherwise empty.
    """

    frames: int
    fps: float
    width: int
    height: int
    frame_ms: str = ""


def with_times(metadata: ClipMetadata, seconds_N: NDArray[np.float64]) -> ClipMetadata:
    """The metadata of a video whose frames are shown at these times."""
    if len(seconds_N) < 2:
        return metadata
    measured = float((len(seconds_N) - 1) / seconds_N[-1])
    rate = even_rate(seconds_N, metadata.fps)
    if rate is not None:
        return replace(metadata, fps=rate)
    # A header that is far off states the container's clock, such as 1000, not a rate.
    fps = metadata.fps if measured / 2 < metadata.fps < measured * 2 else measured
    return replace(metadata, fps=fps, frame_ms=encode_times(seconds_N))


def resized_size(width: int, height: int, short_side: int) -> tuple[int, int]:
    """Width and height of a frame after `resize_short_side`."""
    longest = MAX_ASPECT * min(height, width)
    width, height = min(width, longest), min(height, longest)
    scale = short_side / min(height, width)
    return max(short_side, round(width * scale)), max(short_side, round(height * scale))


def resize_short_side(frame_HWC: Frame, short_side: int) -> Frame:
    """Scale so that the shorter side is `short_side` pixels, keeping the aspect ratio to the nearest pixel.

    A frame whose longer side is more than `MAX_ASPECT` times the shorter is cut to its start, middle and end, which
    bounds memory. Crops at positions 0, 0.5 and 1 stay the same.
    """
    height, width = frame_HWC.shape[:2]
    short, long = sorted((height, width))
    if long > MAX_ASPECT * short:
        piece = MAX_ASPECT // 3 * short
        kept = np.concatenate([np.arange(start, start + piece) for start in (0, (long - piece) // 2, long - piece)])
        frame_HWC = np.take(frame_HWC, kept, axis=int(width > height))
        height, width = frame_HWC.shape[:2]
    scale = short_side / min(height, width)
    if scale == 1:
        return frame_HWC
    size = resized_size(width, height, short_side)
    interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(frame_HWC, size, interpolation=interpolation), dtype=frame_HWC.dtype)


def square_start(height: int, width: int, size: int, position: float = 0.5) -> tuple[int, int]:
    """Top and left of the `size` x `size` square: centred, but at `position` (0 to 1) along the longer side."""
    if height > width:
        return int((height - size) * position), (width - size) // 2
    return (height - size) // 2, int((width - size) * position)


def center_crop(frames_HWC: Frame, size: int, position: float = 0.5) -> Frame:
    """The central `size` x `size` pixels of `[..., H, W, C]`, or those at `position` along the longer side."""
    height, width = frames_HWC.shape[-3:-1]
    top, left = square_start(height, width, size, position)
    return frames_HWC[..., top : top + size, left : left + size, :]
