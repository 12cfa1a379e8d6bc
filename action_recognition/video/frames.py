"""What a frame is, how clips are asked for, and how frames are resized and cropped."""

from dataclasses import dataclass
from typing import Self

import cv2
import numpy as np
from numpy.typing import NDArray

from action_recognition.contract import ClipContract

# Clips are decoded side by side by threads and workers; OpenCV's own pool on top would only fight for the same cores.
# It also hangs a worker forked after its first use, so it is switched off here, before there is one.
cv2.setNumThreads(0)

Frame = NDArray[np.uint8]

# A panorama, or a file made to fill the memory: a line of 120,000 x 1 pixels would be 128 x 15,360,000 after scaling.
# Only squares at the start, the middle and the end of the longer side are ever looked at (three-crop testing), so of
# frames longer than `MAX_ASPECT` only these thirds are kept.
MAX_ASPECT = 12


@dataclass(frozen=True, kw_only=True)
class FrameFormat:
    """How the frames of a clip are wanted.

    Attributes:
        short_side: pixels that the shorter side is resized to; None leaves frames as they are.
        channels: 3 gives RGB uint8, of any video or image; 1 the values of depth images as they are.
        bits: of depth, 8 or 16; None takes what is there.
    """

    short_side: int | None = None
    channels: int = 3
    bits: int | None = 8

    @classmethod
    def of(cls, contract: ClipContract) -> Self:
        """Frames that clips of this contract are cropped from."""
        return cls(short_side=contract.short_side, channels=contract.channels, bits=contract.bits)


AS_THEY_ARE = FrameFormat()


@dataclass(frozen=True, kw_only=True)
class ClipMetadata:
    """How many frames a clip has and what they are like.

    Attributes:
        frames: as many as decoding found, or, of a clip's `metadata`, as its header claims: often more than there are,
            0 or less where it does not say.
        fps: frames per second by the header; 0.0 where it does not say, as images never do.
        width, height: pixels of a frame before it is resized.
    """

    frames: int
    fps: float
    width: int
    height: int


def resized_size(width: int, height: int, short_side: int) -> tuple[int, int]:
    """Width and height of a frame after `resize_short_side`."""
    longest = MAX_ASPECT * min(height, width)
    width, height = min(width, longest), min(height, longest)
    scale = short_side / min(height, width)
    return max(short_side, round(width * scale)), max(short_side, round(height * scale))


def resize_short_side(frame_HWC: Frame, short_side: int) -> Frame:
    """Scale so that the shorter side is `short_side` pixels, keeping the aspect ratio to the nearest pixel.

    Of a frame whose longer side is more than `MAX_ASPECT` times the shorter, only the start, the middle and the end
    are kept: whatever is cropped from it at positions 0, 0.5 and 1 is the same, and memory is bounded.
    """
    frame_HWC = _thirds(frame_HWC)
    height, width = frame_HWC.shape[:2]
    scale = short_side / min(height, width)
    if scale == 1:
        return frame_HWC
    size = resized_size(width, height, short_side)
    interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(frame_HWC, size, interpolation=interpolation), dtype=frame_HWC.dtype)


def _thirds(frame_HWC: Frame) -> Frame:
    height, width = frame_HWC.shape[:2]
    short, long = sorted((height, width))
    if long <= MAX_ASPECT * short:
        return frame_HWC
    piece, axis = MAX_ASPECT // 3 * short, int(width > height)
    starts = (0, (long - piece) // 2, long - piece)
    pieces = [np.arange(start, start + piece) for start in starts]
    return np.take(frame_HWC, np.concatenate(pieces), axis=axis)


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
