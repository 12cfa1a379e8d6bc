"""Images as clips: a still, which is a clip of one frame, or a run of image files."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import cv2
import numpy as np
from numpy.typing import NDArray

from action_recognition.errors import VideoError
from action_recognition.video.frames import (
    AS_THEY_ARE,
    ClipMetadata,
    Frame,
    FrameFormat,
    resize_short_side,
    resized_size,
)
from action_recognition.video.image_header import image_size
from action_recognition.video.pixel_limit import check_pixels
from action_recognition.video.regular_files import open_regular

_DEPTHS: dict[np.dtype[Any], int] = {np.dtype(np.uint8): 8, np.dtype(np.uint16): 16}


class ImageSequence:
    """Image files as the frames of a clip, with what a `VideoFile` has.

    Args:
        path: of the whole clip, for messages.
        files: its images in the order of frames, at least one.
    """

    def __init__(self, path: Path, files: tuple[Path, ...], frame_format: FrameFormat = AS_THEY_ARE) -> None:
        self.path = path
        self.files = files
        self.format = frame_format

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Files are open only while they are read."""

    @property
    def metadata(self) -> ClipMetadata:
        """The number of files, and the size that the first one's header says, before EXIF data turns it.

        Raises:
            VideoError: if the first file cannot be read, or is no image.
        """
        content = _content(self.files[0])
        width, height = _declared_size(self.files[0], content)
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
            first = frame_HWC if first is None else first
            self._check_alike(file, frame_HWC, first)
            yield frame_HWC

    def frames_at(self, indices: NDArray[np.int64]) -> Frame:
        """The frames numbered `indices`, `[len(indices), H, W, C]`.

        Args:
            indices: `[N]` in any order, repeats allowed.

        Raises:
            VideoError: as `__iter__`, or if there is no such frame.
        """
        last = int(indices.max())
        if last >= len(self.files):
            raise VideoError(f"{self.path}: ends after {len(self.files)} frames, frame {last} was asked for")
        found = {index: read_image(self.files[index], self.format) for index in sorted(set(map(int, indices)))}
        frames = [found[int(index)] for index in indices]
        for index, frame_HWC in found.items():
            self._check_alike(self.files[index], frame_HWC, frames[0])
        return np.stack(frames)

    def _check_alike(self, file: Path, frame_HWC: Frame, first_HWC: Frame) -> None:
        if (frame_HWC.shape, frame_HWC.dtype) != (first_HWC.shape, first_HWC.dtype):
            raise VideoError(f"{self.path}: {file.name} has another size or depth than the frames before it")


def read_image(path: Path, frame_format: FrameFormat = AS_THEY_ARE) -> Frame:
    """One image `[H, W, C]`. RGB is turned as the EXIF data says; depth is taken as it is.

    A colour image passes as depth if its colours are all alike, whatever its alpha.

    Raises:
        VideoError: missing, not readable, empty, truncated (PNG and JPEG), no image, larger than `data.max_pixels`,
            not one channel, or of other bits than the format wants.
    """
    mode = cv2.IMREAD_COLOR if frame_format.channels == 3 else cv2.IMREAD_UNCHANGED
    content = _content(path)
    size = _declared_size(path, content)
    check_pixels(path, *size)
    if frame_format.short_side is not None:
        check_pixels(path, *resized_size(*size, frame_format.short_side), resized=True)
    try:
        image: Any = cv2.imdecode(np.frombuffer(content, dtype=np.uint8), mode)
    except MemoryError:
        raise VideoError(f"{path}: not enough memory to decode it") from None
    except cv2.error:
        image = None
    if image is None:
        raise VideoError(f"{path}: not an image that OpenCV can decode")
    if frame_format.channels == 1:
        return _as_depth(path, image, frame_format)
    if frame_format.short_side is not None:
        image = resize_short_side(image, frame_format.short_side)
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), dtype=np.uint8)


def _declared_size(path: Path, content: bytes) -> tuple[int, int]:
    size = image_size(content)
    if size is None or 0 in size:
        raise VideoError(f"{path}: not an image that OpenCV can decode")
    return size


def _as_depth(path: Path, image: Any, frame_format: FrameFormat) -> Frame:
    found, bits = _DEPTHS.get(image.dtype), frame_format.bits
    if found is None or bits not in (None, found):
        is_what = f"{found} bits per value" if found else f"{image.dtype} values"
        wanted = f"expected {bits} (clip.bits)" if bits else "expected 8 or 16 bits"
        raise VideoError(f"{path}: {is_what}, {wanted}")
    if image.ndim == 3:
        if (image[..., :1] != image[..., 1:3]).any():
            raise VideoError(f"{path}: a colour image, expected one channel of depth")
        image = image[..., 0].copy()
    if frame_format.short_side is not None:
        image = resize_short_side(image, frame_format.short_side)
    depth_HWC: Frame = image[..., None]
    return depth_HWC


def _content(path: Path) -> bytes:
    """Bytes of the file; decoders fill up what is missing of a picture, so its end is looked at first."""
    with open_regular(path) as file:
        content = file.read()
    if not content:
        raise VideoError(f"{path}: empty file")
    is_cut = content.startswith(b"\x89PNG") and b"IEND" not in content[-4096:]
    if is_cut or (content.startswith(b"\xff\xd8") and b"\xff\xd9" not in content[-4096:]):
        raise VideoError(f"{path}: truncated, the image does not come to its end")
    return content
