"""The file of one clip: its name, its header, and the two ways in which its frames are written.

    header                  magic, codec, frames, height, width, bytes of the whole file
    raw                     at 2048: the centre squares [N, S, S, 3], then what is beside them [N, H, W - S, 3]
    jpeg                    at 2048: N + 1 offsets (uint64), then N JPEG files of whole frames

Training and evaluation read centre squares only. Kept together, a frame's square is one piece of memory: copying it
is as fast as memory goes, and a page of the file is read only for what is wanted.
"""

import hashlib
import math
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import BinaryIO

import cv2
import numpy as np
from numpy.typing import NDArray

from action_recognition.errors import VideoError
from action_recognition.files import replacing

STORE_VERSION = 1
CODECS = ("raw", "jpeg")
SUFFIX = ".clip"
MAGIC = b"clips\0\0" + bytes([STORE_VERSION])
HEADER = struct.Struct("<8s8sIIIIQ")
# Half a page: where a frame lies at nearly the same place of its page as the memory that it is copied to, the copy
# instruction that the C library picks is five times slower on many AMD processors. Batches begin a page.
DATA_OFFSET = 2048
Frame = NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class StoreFormat:
    """How frames are kept. `quality` is JPEG's, 1-100; raw frames have none."""

    codec: str
    short_side: int
    quality: int = 0

    def key(self, md5: str) -> str:
        """32 hex digits that name a clip's file: they change with the video's bytes and with how frames are kept."""
        text = f"{STORE_VERSION} {md5} {self.short_side} {self.codec} {self.quality if self.codec == 'jpeg' else 0}"
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    def path(self, root: Path, md5: str) -> Path:
        key = self.key(md5)
        return root / key[:2] / f"{key}{SUFFIX}"

    def __str__(self) -> str:
        return f"jpeg, quality {self.quality}" if self.codec == "jpeg" else self.codec


@dataclass(frozen=True, kw_only=True)
class Header:
    """`size_bytes` is the length that the whole file has to have."""

    codec: str
    frames: int
    height: int
    width: int
    size_bytes: int

    @property
    def side(self) -> int:
        return min(self.height, self.width)

    def pack(self) -> bytes:
        numbers = (self.frames, self.height, self.width, self.side, self.size_bytes)
        return HEADER.pack(MAGIC, self.codec.encode(), *numbers).ljust(DATA_OFFSET, b"\0")


def read_header(path: Path) -> Header | None:
    """The header of a whole entry; None where there is none, or not all of it, or one of another version."""
    try:
        with path.open("rb") as file:
            packed = file.read(HEADER.size)
            size_bytes = os.fstat(file.fileno()).st_size
    except OSError:
        return None
    if len(packed) < HEADER.size:
        return None
    magic, codec, frames, height, width, _, promised = HEADER.unpack(packed)
    if magic != MAGIC or promised != size_bytes:
        return None
    name = codec.rstrip(b"\0").decode("ascii", "replace")
    return Header(codec=name, frames=frames, height=height, width=width, size_bytes=size_bytes)


def split_square(frame_HWC: Frame) -> tuple[Frame, Frame]:
    """A frame's centre square, and what is left of it (or above) and right of it (or below), joined."""
    height, width = frame_HWC.shape[:2]
    side, axis = min(height, width), int(width > height)
    start = (max(height, width) - side) // 2  # as `video.center_crop` has it
    before, square, after = np.split(frame_HWC, (start, start + side), axis=axis)
    return square, np.concatenate([before, after], axis=axis)


def join_square(square_NSSC: Frame, margin_NHWC: Frame) -> Frame:
    """The reverse of `split_square`, for many frames."""
    side = square_NSSC.shape[1]
    axis = 2 if margin_NHWC.shape[1] == side else 1
    before, after = np.split(margin_NHWC, (margin_NHWC.shape[axis] // 2,), axis=axis)
    return np.concatenate([before, square_NSSC, after], axis=axis)


def write_entry(path: Path, frames: Iterator[Frame], *, count: int, entry_format: StoreFormat, origin: Path) -> int:
    """Write the frames of one clip, holding one of them at a time; the file appears whole or not at all.

    Args:
        frames: RGB uint8 `[H, W, 3]`, resized already.
        count: how many they are to be.
        origin: the video, for the error message.

    Returns:
        Bytes of the file.

    Raises:
        VideoError: if they are fewer or more.
        OSError: if the disk does not take it.
    """
    counted = _counted(frames, count, origin)
    first = next(counted)
    write = _write_raw if entry_format.codec == "raw" else _write_jpeg
    with replacing(path) as partial, partial.open("wb") as file:
        size_bytes = write(file, chain([first], counted), first.shape, count, entry_format.quality)
        height, width = first.shape[:2]
        header = Header(codec=entry_format.codec, frames=count, height=height, width=width, size_bytes=size_bytes)
        file.seek(0)
        file.write(header.pack())
        file.flush()
        # Or after a power failure the name could be there before the bytes are.
        os.fsync(file.fileno())
    return size_bytes


def _write_raw(file: BinaryIO, frames: Iterator[Frame], shape: tuple[int, ...], count: int, _quality: int) -> int:
    frame_bytes, square_bytes = math.prod(shape), min(shape[:2]) ** 2 * 3
    margin_bytes = frame_bytes - square_bytes
    for number, frame in enumerate(frames):
        square, margin = split_square(frame)
        file.seek(DATA_OFFSET + number * square_bytes)
        file.write(np.ascontiguousarray(square).data)
        file.seek(DATA_OFFSET + count * square_bytes + number * margin_bytes)
        file.write(np.ascontiguousarray(margin).data)
    return DATA_OFFSET + count * frame_bytes


def _write_jpeg(file: BinaryIO, frames: Iterator[Frame], _shape: tuple[int, ...], count: int, quality: int) -> int:
    offsets = np.zeros(count + 1, dtype="<u8")
    offsets[0] = DATA_OFFSET + offsets.nbytes
    file.seek(int(offsets[0]))
    for number, frame in enumerate(frames):
        # OpenCV's own default, 4:2:0, is what nearly every video has anyway.
        _, encoded = cv2.imencode(".jpg", cv2.cvtColor(frame, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])
        file.write(encoded.data)
        offsets[number + 1] = offsets[number] + encoded.size
    file.seek(DATA_OFFSET)
    file.write(offsets.data)
    return int(offsets[-1])


def _counted(frames: Iterator[Frame], count: int, origin: Path) -> Iterator[Frame]:
    given, shape = 0, None
    for frame in frames:
        given += 1
        shape = shape or frame.shape
        if given > count:
            raise VideoError(f"{origin}: more than the {count} frames that the manifest counts")
        if frame.shape != shape:
            raise VideoError(f"{origin}: frame {given} has another size than those before it")
        yield frame
    if given != count:
        raise VideoError(f"{origin}: ends after {given} frames, the manifest counts {count}")
