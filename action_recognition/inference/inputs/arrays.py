"""Frames in memory: arrays, tensors, and frames that come one by one."""

from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from action_recognition.errors import VideoError, first_line
from action_recognition.video.frames import ClipMetadata, Frame, FrameFormat
from action_recognition.video.timed_frames import TimedFrame

# Orders of axes that other libraries have, by the axis that the channels are on, and how to put them into ours.
REORDERED = {0: ("C, T, H, W", "1, 2, 3, 0"), 1: ("T, C, H, W", "0, 2, 3, 1")}


class FramesInput:
    """Frames that are given one by one, as arrays `[H, W, C]` (depth also `[H, W]`) or PIL images.

    Values are those of a decoded video: uint8, RGB, 0-255, and of depth uint8 or uint16 as the model was trained on.
    Each frame is resized as a video's frames are, and copied, so that its memory can be used again for the next one.

    Args:
        frames: they are read once.
        count: how many there are; 0 if that is not known.
    """

    is_live = False

    def __init__(self, frames: Iterable[Any], frame_format: FrameFormat, *, origin: str, count: int = 0) -> None:
        self.origin = origin
        self.format = frame_format
        self._frames = frames
        self._count = count

    @property
    def metadata(self) -> ClipMetadata:
        """The number of frames if it is known; not their size."""
        return ClipMetadata(frames=self._count, fps=0.0, width=0, height=0)

    def timed(self) -> Iterator[TimedFrame]:
        """The frames in order, without times.

        Raises:
            VideoError: for a frame of another type, shape or dtype, one that is too large, and if sizes differ.
        """
        first: tuple[int, ...] | None = None
        for number, given in enumerate(self._frames):
            frame_HWC = self._checked(given, f"{self.origin}, frame {number}")
            first = first or frame_HWC.shape
            if frame_HWC.shape != first:
                sizes = " and ".join(f"{shape[1]}x{shape[0]}" for shape in (frame_HWC.shape, first))
                raise VideoError(f"{self.origin}, frame {number}: frames of {sizes} pixels, expected one size")
            yield TimedFrame(None, partial(self._converted, frame_HWC))

    def _checked(self, given: Any, origin: str) -> Frame:
        if isinstance(given, Image.Image):
            given = _pixels(given, self.format.channels, origin)
        if not hasattr(given, "__array__"):
            hint = "; several inputs are predicted one by one" if isinstance(given, str) else ""
            wanted = f"expected an array [H, W, {self.format.channels}] or a PIL image"
            raise VideoError(f"{origin}: of type {type(given).__name__}, {wanted}{hint}")
        frame_HWC = as_numpy(given, origin)
        channels = self.format.channels
        if channels == 1 and frame_HWC.ndim == 2:
            frame_HWC = frame_HWC[..., None]
        if frame_HWC.ndim != 3 or frame_HWC.shape[2] != channels or 0 in frame_HWC.shape:
            raise VideoError(f"{origin}: of shape {list(frame_HWC.shape)}, expected [H, W, {channels}]")
        check_values(frame_HWC, self.format, origin)
        height, width = frame_HWC.shape[:2]
        self.format.check_pixels(origin, width, height)
        return frame_HWC

    def _converted(self, frame_HWC: Frame) -> Frame:
        # OpenCV takes neither negative strides nor the other byte order. A copy, for who fills one array again.
        frame = np.array(frame_HWC, dtype=frame_HWC.dtype.newbyteorder("="), order="C")
        if self.format.channels == 1:
            return self.format.resized(frame[..., 0])[..., None]
        return self.format.resized(frame)


def open_array(given: Any, frame_format: FrameFormat, *, origin: str) -> FramesInput:
    """A video `[T, H, W, C]` as an array or a tensor; of depth also `[T, H, W]`.

    Raises:
        VideoError: for another shape or dtype.
    """
    array, channels = as_numpy(given, origin), frame_format.channels
    if not (array.ndim == 4 and array.shape[3] == channels) and not (array.ndim == 3 and channels == 1):
        shape = f"of shape {list(array.shape)}, expected [T, H, W, {channels}]"
        raise VideoError(f"{origin}: {shape}{_advice(array.shape, channels, given)}")
    check_values(array, frame_format, origin)
    return FramesInput(array, frame_format, origin=origin, count=len(array))


def as_numpy(given: Any, origin: str) -> NDArray[Any]:
    """An array or a tensor, also one on a GPU, as a plain array; memory is shared where that is possible."""
    try:
        return np.asarray(given.detach().cpu() if hasattr(given, "detach") else given)
    except Exception as error:  # each library has its own errors
        raise VideoError(f"{origin}: not an array that numpy can read ({first_line(error)})") from None


def check_values(array: NDArray[Any], frame_format: FrameFormat, origin: str) -> None:
    """Raise `VideoError` unless values have the dtype of the model's clips."""
    bits = (8,) if frame_format.channels == 3 else (8, 16) if frame_format.bits is None else (frame_format.bits,)
    if array.dtype.kind == "u" and 8 * array.dtype.itemsize in bits:
        return
    expected = " or ".join(f"uint{count}" for count in bits)
    if frame_format.channels == 3:
        expected += ", RGB from 0 to 255"
    advice = "; multiply what is from 0 to 1 by 255, and round it" if array.dtype.kind == "f" else ""
    raise VideoError(f"{origin}: values of type {array.dtype}, expected {expected}{advice}")


def _advice(shape: tuple[int, ...], channels: int, given: Any) -> str:
    """What most likely was meant by a shape that is none of a video."""
    if len(shape) == 4:
        method = "permute" if hasattr(given, "permute") else "transpose"
        found = [REORDERED[axis] for axis in REORDERED if shape[axis] == channels]
        return " or".join(f"; if it is [{axes}], x.{method}({order})" for axes, order in found)
    if len(shape) == 3 and shape[2] == channels:
        return "; one image is x[None]"
    return "; one clip at a time" if len(shape) == 5 else ""


def _pixels(image: Image.Image, channels: int, origin: str) -> NDArray[Any]:
    """As `read_image` reads the image's file: upright RGB, or depth as it is."""
    if channels != 3:
        return np.asarray(image)
    if image.mode.startswith(("I", "F")):
        raise VideoError(f"{origin}: an image of mode {image.mode}, expected 8 bits per value")
    return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
