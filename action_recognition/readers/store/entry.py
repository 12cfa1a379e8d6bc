"""The file of one clip: its name, its header, and the two ways in which its frames are written.

    header                  magic, codec, frames, height, width, bytes of the whole file; CRC-32 of both parts and of it
    raw                     at 2048: the centre squares [N, S, S, 3], then what is beside them [N, H, W - S, 3]
    jpeg                    at 2048: N + 1 offsets (uint64), then N JPEG files of whole frames

Training and evaluation read centre squares only. Kept together, a frame's square is one piece of memory: copying it
is as fast as memory goes, and a page of the file is read only for what is wanted.
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
# Follow the header: a mark, CRC-32 of the two parts of the body, and of all of the header before it with the entry's
# key, so that an entry under the name of another is noticed. CRC-32 finds every damage up to 32 bits long, and runs at
# 4 GB/s; of what the standard library has nothing is faster.
CHECKSUMS = struct.Struct("<4sIII")
CHECKSUM_MARK = b"crc\0"
# Entries written before there were checksums have this instead.
NO_CHECKSUMS = bytes(CHECKSUMS.size)
# Half a page: where a frame lies at nearly the same place of its page as the memory that it is copied to, the copy
# instruction that the C library picks is five times slower on many AMD processors. Batches begin a page.
DATA_OFFSET = 2048
CHUNK_BYTES = 1 << 20


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


class DamagedEntryError(DataError):
    """A file of the store that is not what was written; the video has to be decoded anew."""

    def __init__(self, path: Path, what: str) -> None:
        super().__init__(f"{path}: damaged ({what})")
        self.path = path


@dataclass(frozen=True, kw_only=True)
class Header:
    """`size_bytes` is the length that the whole file has to have; `crc32` is of both parts of the body, if known."""

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
        """Where the second part of the body begins: raw margins, or JPEG files."""
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
    """The header of an entry; None where there is none. An entry without checksums has a header without `crc32`.

    Raises:
        DamagedEntryError: if it is not all of an entry, or contradicts itself or its checksum.
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
        raise DamagedEntryError(path, "the checksum of its header is another")
    if magic != MAGIC or promised != size_bytes:
        raise DamagedEntryError(path, f"{size_bytes} bytes long, its header says {promised}")
    name = codec.rstrip(b"\0").decode("ascii", "replace")
    crc32 = (first, second) if checked else None
    header = Header(codec=name, frames=frames, height=height, width=width, size_bytes=size_bytes, crc32=crc32)
    if padding.strip(b"\0") or name not in CODECS or side != header.side or not side or not frames or not _fits(header):
        raise DamagedEntryError(path, "its header contradicts itself")
    return header


def _fits(header: Header) -> bool:
    """Whether the file's length goes with the header; without checksums nothing else tells."""
    if header.codec == "raw":
        return header.size_bytes == DATA_OFFSET + 3 * header.frames * header.height * header.width
    return header.size_bytes > header.second_part


def check_body(body: NDArray[np.uint8], header: Header, path: Path) -> None:
    """Compare the bytes of an entry with its header's checksums, if it has any.

    Args:
        body: uint8, the file from its first byte to its last.

    Raises:
        DamagedEntryError: if they differ, or JPEG files do not follow one another.
    """
    first, second = body[DATA_OFFSET : header.second_part], body[header.second_part :]
    if header.codec == "jpeg":
        _check_offsets(first.view("<u8"), header, path)
    if header.crc32 is not None:
        _check_crc32((zlib.crc32(first.data), zlib.crc32(second.data)), header, path)


def check_file(path: Path) -> None:
    """`check_body` of a file, if it is there, a megabyte at a time.

    Raises:
        DamagedEntryError: as `read_header` and `check_body`.
    """
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
    if header.crc32 is not None:
        _check_crc32((first, second), header, path)


def _read_crc32(file: BinaryIO, size_bytes: int) -> int:
    crc32 = 0
    while size_bytes > 0 and (chunk := file.read(min(size_bytes, CHUNK_BYTES))):
        crc32 = zlib.crc32(chunk, crc32)
        size_bytes -= len(chunk)
    return crc32


def _check_crc32(found: tuple[int, int], header: Header, path: Path) -> None:
    if found != header.crc32:
        raise DamagedEntryError(path, "its checksum is another")


def _check_offsets(offsets: NDArray[np.uint64], header: Header, path: Path) -> None:
    ends = offsets[0] == header.second_part and offsets[-1] == header.size_bytes
    if not ends or (offsets[1:] <= offsets[:-1]).any():
        raise DamagedEntryError(path, "its frames do not follow one another")


def split_square(frame_HWC: Frame) -> tuple[Frame, Frame]:
    """A frame's centre square, and what is left of it (or above) and right of it (or below), joined."""
    height, width = frame_HWC.shape[:2]
    side, axis = min(height, width), int(width > height)
    start = (max(height, width) - side) // 2  # as `center_crop` has it
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
        size_bytes, crc32 = write(file, chain([first], counted), first.shape, count, entry_format.quality)
        codec, (height, width) = entry_format.codec, first.shape[:2]
        header = Header(codec=codec, frames=count, height=height, width=width, size_bytes=size_bytes, crc32=crc32)
        file.seek(0)
        file.write(header.pack(path.stem))
        file.flush()
        # Or after a power failure the name could be there before the bytes are.
        os.fsync(file.fileno())
    return size_bytes


# Bytes of the whole file, and CRC-32 of its two parts. They are of the frames as they are in memory: reading them back
# would vouch for whatever the disk made of them.
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
        # OpenCV's own default, 4:2:0, is what nearly every video has anyway.
        _, encoded = cv2.imencode(".jpg", cv2.cvtColor(frame, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])
        file.write(encoded.data)
        of_files = zlib.crc32(encoded.data, of_files)
        offsets[number + 1] = offsets[number] + encoded.size
    file.seek(DATA_OFFSET)
    file.write(offsets.data)
    return int(offsets[-1]), (zlib.crc32(offsets.data), of_files)


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
