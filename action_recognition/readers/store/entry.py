"""The file of one clip: its name, its header, and its frames in one of two codecs.

    header                  magic, codec, frames, height, width, bytes of the whole file; CRC-32 of both parts and of it
    raw                     at 2048: the centre squares [N, S, S, 3], then the rest of them [N, H, W - S, 3]
    jpeg                    at 2048: N + 1 offsets (uint64), then N JPEG files of whole frames

Training and evaluation read centre squares only. A frame's square is one piece of memory, which is copied at the speed
of memory without reading other pages of the file.
"""

import hashlib
import math
import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import BinaryIO

import cv2
import numpy as np
from numpy.typing import NDArray

from action_recognition.errors import DataError, VideoError
from action_recognition.utils.files import replacing
from action_recognition.video.frames import Frame

STORE_VERSION = 1
CODECS = ("raw", "jpeg")
SUFFIX = ".clip"
MAGIC = b"clips\0\0" + bytes([STORE_VERSION])
HEADER = struct.Struct("<8s8sIIIIQ")
# After the header: a mark, CRC-32 of the two parts of the body, and CRC-32 of the preceding header with the entry's
# key, which detects an entry under the name of another. CRC-32 finds every damage up to 32 bits long and is the fastest
# checksum in the standard library, at 4 GB/s.
CHECKSUMS = struct.Struct("<4sIII")
CHECKSUM_MARK = b"crc\0"
NO_CHECKSUMS = bytes(CHECKSUMS.size)  # in entries written before there were checksums
# Half a page, because batches begin at a page. If a frame has nearly the same offset in its page as the memory that it
# is copied to, the C library's copy instruction is five times slower on many AMD processors.
DATA_OFFSET = 2048
CHUNK_BYTES = 1 << 20
WRONG_CHECKSUM = "its checksum differs"


@dataclass(frozen=True, kw_only=True)
class StoreFormat:
    """How frames are stored; `quality` is that of JPEG, 1-100."""

    codec: str
    short_side: int
    quality: int = 0

    def key(self, md5: str) -> str:
        """32 hex digits that name a clip's file; they depend on the video's bytes and on this format."""
        text = f"{STORE_VERSION} {md5} {self.short_side} {self.codec} {self.quality if self.codec == 'jpeg' else 0}"
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    def path(self, root: Path, md5: str) -> Path:
        key = self.key(md5)
        return root / key[:2] / f"{key}{SUFFIX}"

    def __str__(self) -> str:
        return f"jpeg, quality {self.quality}" if self.codec == "jpeg" else self.codec


class DamagedEntryError(DataError):
    """A file of the store that differs from what was written; the video has to be decoded again."""

    def __init__(self, path: Path, what: str) -> None:
        super().__init__(f"{path}: damaged ({what})")
        self.path = path


@dataclass(frozen=True, kw_only=True)
class Header:
    """`size_bytes` is the length of the whole file; `crc32` is of both parts of the body, if known."""

    codec: str
    frames: int
    height: int
    width: int
    size_bytes: int
    crc32: tuple[int, int] | None = None

    @property
    def side(self) -> int:
        return min(self.height, self.width)

    @property
    def second_part(self) -> int:
        """The offset of the second part of the body: raw margins, or JPEG files."""
        first = self.frames * self.side**2 * 3 if self.codec == "raw" else 8 * (self.frames + 1)
        return DATA_OFFSET + first

    def pack(self, key: str) -> bytes:
        """The bytes before `DATA_OFFSET` of the entry with this key."""
        numbers = (self.frames, self.height, self.width, self.side, self.size_bytes)
        packed = HEADER.pack(MAGIC, self.codec.encode(), *numbers)
        if self.crc32 is not None:
            sealed = packed + CHECKSUMS.pack(CHECKSUM_MARK, *self.crc32, 0)[:-4]
            packed = sealed + struct.pack("<I", zlib.crc32(sealed + key.encode()))
        return packed.ljust(DATA_OFFSET, b"\0")


def read_header(path: Path) -> Header | None:
    """The header of an entry, or None if there is no file. Old entries have no checksums, and then no `crc32`.

    Raises:
        DamagedEntryError: if the entry is incomplete, or the header contradicts itself or its checksum.
    """
    try:
        with path.open("rb") as file:
            packed = file.read(HEADER.size + CHECKSUMS.size)
            padding = file.read(DATA_OFFSET - len(packed))
            size_bytes = os.fstat(file.fileno()).st_size
    except FileNotFoundError:
        return None
    except OSError as error:
        raise DamagedEntryError(path, f"cannot be read: {error.strerror or error}") from None
    if len(packed) < HEADER.size + CHECKSUMS.size:
        raise DamagedEntryError(path, f"{size_bytes} bytes long")
    magic, codec, frames, height, width, side, promised = HEADER.unpack_from(packed)
    mark, first, second, of_header = CHECKSUMS.unpack_from(packed, HEADER.size)
    checked = packed[HEADER.size :] != NO_CHECKSUMS
    if checked and (mark != CHECKSUM_MARK or zlib.crc32(packed[:-4] + path.stem.encode()) != of_header):
        raise DamagedEntryError(path, "the checksum of its header differs")
    if magic != MAGIC or promised != size_bytes:
        raise DamagedEntryError(path, f"{size_bytes} bytes long, its header says {promised}")
    name = codec.rstrip(b"\0").decode("ascii", "replace")
    crc32 = (first, second) if checked else None
    header = Header(codec=name, frames=frames, height=height, width=width, size_bytes=size_bytes, crc32=crc32)
    if padding.strip(b"\0") or name not in CODECS or side != header.side or not side or not frames or not _fits(header):
        raise DamagedEntryError(path, "its header contradicts itself")
    return header


def _fits(header: Header) -> bool:
    """Whether the file's length matches the header, which is the only check of entries without checksums."""
    if header.codec == "raw":
        return header.size_bytes == DATA_OFFSET + 3 * header.frames * header.height * header.width
    return header.size_bytes > header.second_part


def check_body(body: NDArray[np.uint8], header: Header, path: Path) -> None:
    """Raise `DamagedEntryError` if the file's bytes, uint8, do not match its header's checksums or JPEG offsets."""
    first, second = body[DATA_OFFSET : header.second_part], body[header.second_part :]
    if header.codec == "jpeg":
        _check_offsets(first.view("<u8"), header, path)
    if header.crc32 not in (None, (zlib.crc32(first.data), zlib.crc32(second.data))):
        raise DamagedEntryError(path, WRONG_CHECKSUM)


def check_file(path: Path) -> None:
    """`read_header` and `check_body` of a file, if it exists, a megabyte at a time."""
    header = read_header(path)
    if header is None:
        return
    try:
        with path.open("rb") as file:
            file.seek(DATA_OFFSET)
            if header.codec == "jpeg":
                offsets = np.frombuffer(file.read(header.second_part - DATA_OFFSET), dtype="<u8")
                _check_offsets(offsets, header, path)
                file.seek(DATA_OFFSET)
            first = _read_crc32(file, header.second_part - DATA_OFFSET)
            second = _read_crc32(file, header.size_bytes - header.second_part)
    except OSError as error:
        raise DamagedEntryError(path, f"cannot be read: {error.strerror or error}") from None
    if header.crc32 not in (None, (first, second)):
        raise DamagedEntryError(path, WRONG_CHECKSUM)


def _read_crc32(file: BinaryIO, size_bytes: int) -> int:
    crc32 = 0
    while size_bytes > 0 and (chunk := file.read(min(size_bytes, CHUNK_BYTES))):
        crc32 = zlib.crc32(chunk, crc32)
        size_bytes -= len(chunk)
    return crc32


def _check_offsets(offsets: NDArray[np.uint64], header: Header, path: Path) -> None:
    ends = offsets[0] == header.second_part and offsets[-1] == header.size_bytes
    if not ends or (offsets[1:] <= offsets[:-1]).any():
        raise DamagedEntryError(path, "its frames do not follow one another")


def split_square(frame_HWC: Frame) -> tuple[Frame, Frame]:
    """A frame's centre square, and the joined margins on its left and right (or above and below)."""
    height, width = frame_HWC.shape[:2]
    side, axis = min(height, width), int(width > height)
    start = (max(height, width) - side) // 2  # as `center_crop` has it
    before, square, after = np.split(frame_HWC, (start, start + side), axis=axis)
    return square, np.concatenate([before, after], axis=axis)


def join_square(square_NSSC: Frame, margin_NHWC: Frame) -> Frame:
    """The inverse of `split_square`, for many frames."""
    side = square_NSSC.shape[1]
    axis = 2 if margin_NHWC.shape[1] == side else 1
    before, after = np.split(margin_NHWC, (margin_NHWC.shape[axis] // 2,), axis=axis)
    return np.concatenate([before, square_NSSC, after], axis=axis)


def write_entry(path: Path, frames: Iterator[Frame], *, count: int, entry_format: StoreFormat, origin: Path) -> int:
    """Write the frames of one clip, one at a time, and return the size of the file, which appears whole or not at all.

    Args:
        frames: `count` resized frames, RGB uint8 `[H, W, 3]`.
        origin: the video, for the error message.

    Raises:
        VideoError: if there are fewer or more frames.
        OSError: if the file cannot be written.
    """
    counted = _counted(frames, count, origin)
    first = next(counted)
    write = _write_raw if entry_format.codec == "raw" else _write_jpeg
    with replacing(path) as partial, partial.open("wb") as file:
        size_bytes, crc32 = write(file, chain([first], counted), first.shape, count, entry_format.quality)
        codec, (height, width) = entry_format.codec, first.shape[:2]
        header = Header(codec=codec, frames=count, height=height, width=width, size_bytes=size_bytes, crc32=crc32)
        file.seek(0)
        file.write(header.pack(path.stem))
        file.flush()
        os.fsync(file.fileno())  # otherwise the name could survive a power failure without the bytes
    return size_bytes


# Bytes of the whole file, and CRC-32 of its two parts. The checksums are of the frames in memory, because those of the
# file would confirm any damage by the disk.
Written = tuple[int, tuple[int, int]]


def _write_raw(file: BinaryIO, frames: Iterator[Frame], shape: tuple[int, ...], count: int, _quality: int) -> Written:
    frame_bytes, square_bytes = math.prod(shape), min(shape[:2]) ** 2 * 3
    margin_bytes = frame_bytes - square_bytes
    of_squares = of_margins = 0
    for number, frame in enumerate(frames):
        square, margin = map(np.ascontiguousarray, split_square(frame))
        file.seek(DATA_OFFSET + number * square_bytes)
        file.write(square.data)
        file.seek(DATA_OFFSET + count * square_bytes + number * margin_bytes)
        file.write(margin.data)
        of_squares, of_margins = zlib.crc32(square.data, of_squares), zlib.crc32(margin.data, of_margins)
    return DATA_OFFSET + count * frame_bytes, (of_squares, of_margins)


def _write_jpeg(file: BinaryIO, frames: Iterator[Frame], _shape: tuple[int, ...], count: int, quality: int) -> Written:
    offsets = np.zeros(count + 1, dtype="<u8")
    offsets[0] = DATA_OFFSET + offsets.nbytes
    file.seek(int(offsets[0]))
    of_files = 0
    for number, frame in enumerate(frames):
        encoded = encode_jpeg(frame, quality)
        file.write(encoded)
        of_files = zlib.crc32(encoded, of_files)
        offsets[number + 1] = offsets[number] + len(encoded)
    file.seek(DATA_OFFSET)
    file.write(offsets.data)
    return int(offsets[-1]), (zlib.crc32(offsets.data), of_files)


def encode_jpeg(frame_HWC: Frame, quality: int) -> bytes:
    """An RGB frame as a JPEG file with OpenCV's default 4:2:0, the subsampling of nearly every video."""
    frame_BGR = cv2.cvtColor(frame_HWC, cv2.COLOR_RGB2BGR)
    return cv2.imencode(".jpg", frame_BGR, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()


def _counted(frames: Iterator[Frame], count: int, origin: Path) -> Iterator[Frame]:
    given, shape = 0, None
    for given, frame in enumerate(frames, start=1):
        shape = shape or frame.shape
        if given > count:
            raise VideoError(f"{origin}: more than the {count} frames that the manifest counts")
        if frame.shape != shape:
            raise VideoError(f"{origin}: frame {given} has another size than those before it")
        yield frame
    if given != count:
        raise VideoError(f"{origin}: ends after {given} frames, the manifest counts {count}")
