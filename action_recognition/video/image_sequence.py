"""Images as clips: a still, which is a clip of one frame, or a run of image files."""

import io
import threading
import warnings
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from action_recognition.errors import VideoError
from action_recognition.video.frames import AS_THEY_ARE, ClipMetadata, Frame, FrameFormat
from action_recognition.video.regular_files import open_regular
from action_recognition.video.timed_frames import TimedFrame

_DEPTHS: dict[np.dtype[Any], int] = {np.dtype(np.uint8): 8, np.dtype(np.uint16): 16}
# The formats that OpenCV decodes too. The first bytes tell the format, not the suffix.
FORMATS = ("AVIF", "BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
_PILLOW_LIMIT = threading.Lock()


class ImageSequence:
    """Image files as the frames of a clip, read like a `VideoFile`.

    Args:
        path: of the whole clip, for messages.
        files: its images in the order of frames, at least one.
    """

    is_live = False

    def __init__(self, path: Path, files: tuple[Path, ...], frame_format: FrameFormat = AS_THEY_ARE) -> None:
        self.path = path
        self.files = files
        self.format = frame_format

    @property
    def origin(self) -> str:
        """The name in messages."""
        return str(self.path)

    @property
    def metadata(self) -> ClipMetadata:
        """The number of files, and the size in the first one's header, before its EXIF orientation is applied.

        Raises:
            VideoError: if the first file cannot be read, or is no image.
        """
        _, (width, height) = _content(self.files[0])
        return ClipMetadata(frames=len(self.files), fps=0.0, width=width, height=height)

    def probe(self) -> ClipMetadata:
        """Count and measure the frames by decoding all of them.

        Raises:
            VideoError: as `__iter__`.
        """
        count, shape = 0, (0, 0, 0)
        for frame_HWC in ImageSequence(self.path, self.files, replace(self.format, short_side=None)):
            count, shape = count + 1, frame_HWC.shape
        return ClipMetadata(frames=count, fps=0.0, width=shape[1], height=shape[0])

    def __iter__(self) -> Iterator[Frame]:
        """All frames in order, `[H, W, C]`, one at a time.

        Raises:
            VideoError: as `read_image`, or if frames differ in size.
        """
        first = None
        for file in self.files:
            frame_HWC = read_image(file, self.format)
            first = first or (frame_HWC.shape, frame_HWC.dtype)
            if first != (frame_HWC.shape, frame_HWC.dtype):
                raise VideoError(f"{self.path}: {file.name} has another size or depth than the frames before it")
            yield frame_HWC

    def timed(self) -> Iterator[TimedFrame]:
        """All frames in order, without times; raises as `__iter__`."""
        return (TimedFrame(None, partial(_given, frame_HWC)) for frame_HWC in self)

    def frames_at(self, indices: NDArray[np.int64]) -> Frame:
        """The frames numbered `indices` (`[N]`, in any order, repeats allowed), `[N, H, W, C]`.

        Raises:
            VideoError: as `__iter__`, or if there is no such frame.
        """
        numbers, places = np.unique(indices, return_inverse=True)
        if numbers[-1] >= len(self.files):
            raise VideoError(f"{self.path}: ends after {len(self.files)} frames, frame {numbers[-1]} was asked for")
        found = list(ImageSequence(self.path, tuple(self.files[number] for number in numbers), self.format))
        return np.stack([found[place] for place in places])


def _given(frame_HWC: Frame) -> Frame:
    return frame_HWC


def read_image(path: Path, frame_format: FrameFormat = AS_THEY_ARE) -> Frame:
    """One image `[H, W, C]`. The EXIF orientation is applied to RGB, but not to depth.

    A colour image is accepted as depth if its colour channels are equal; its alpha channel is ignored.

    Raises:
        VideoError: if the file is missing, not readable, empty, truncated (PNG and JPEG), no image, larger than
            `data.max_pixels`, or as depth has several channels or other bits than the format asks for.
    """
    is_depth = frame_format.channels == 1
    content, size = _content(path)
    frame_format.check_pixels(path, *size)
    try:
        pixels = np.frombuffer(content, dtype=np.uint8)
        image: Any = cv2.imdecode(pixels, cv2.IMREAD_UNCHANGED if is_depth else cv2.IMREAD_COLOR)
    except MemoryError:
        raise VideoError(f"{path}: not enough memory to decode it") from None
    except cv2.error:
        image = None
    if image is None:
        raise VideoError(f"{path}: not an image that OpenCV can decode")
    if is_depth:
        depth_HWC: Frame = frame_format.resized(_as_depth(path, image, frame_format.bits))[..., None]
        return depth_HWC
    return np.asarray(cv2.cvtColor(frame_format.resized(image), cv2.COLOR_BGR2RGB), dtype=np.uint8)


def image_size(content: bytes) -> tuple[int, int] | None:
    """Width and height in an image's header, known before a decoder takes memory for all pixels.

    None if there is no header of a known format.
    """
    # Pillow refuses large images without telling their size; only our own limit counts.
    with _PILLOW_LIMIT, warnings.catch_warnings(action="ignore"):
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            with Image.open(io.BytesIO(content), formats=FORMATS) as image:
                return image.size
        except Exception:  # each format's reader raises its own errors over a damaged header
            return None
        finally:
            Image.MAX_IMAGE_PIXELS = limit


def _as_depth(path: Path, image: Any, bits: int | None) -> Frame:
    found = _DEPTHS.get(image.dtype)
    if found is None or bits not in (None, found):
        is_what = f"{found} bits per value" if found else f"{image.dtype} values"
        wanted = f"expected {bits} (clip.bits)" if bits else "expected 8 or 16 bits"
        raise VideoError(f"{path}: {is_what}, {wanted}")
    if image.ndim == 3:
        if (image[..., :1] != image[..., 1:3]).any():
            raise VideoError(f"{path}: a colour image, expected one channel of depth")
        image = image[..., 0].copy()
    depth_HW: Frame = image
    return depth_HW


def _content(path: Path) -> tuple[bytes, tuple[int, int]]:
    """Bytes of the file and the size in its header. Decoders make up missing pixels, so the end is checked here."""
    with open_regular(path) as file:
        content = file.read()
    if not content:
        raise VideoError(f"{path}: empty file")
    for start, end in ((b"\x89PNG", b"IEND"), (b"\xff\xd8", b"\xff\xd9")):
        if content.startswith(start) and end not in content[-4096:]:
            raise VideoError(f"{path}: truncated, the end of the image is missing")
    size = image_size(content)
    if size is None or 0 in size:
        raise VideoError(f"{path}: not an image that OpenCV can decode")
    return content, size
