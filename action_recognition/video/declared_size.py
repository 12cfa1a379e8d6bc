"""The frame size that a video's header declares, checked before FFmpeg takes memory to decode the first frames.

Reads AVI, MP4, MOV, Matroska and WebM. Other headers give no size; FFmpeg's own limit of about 268 million pixels
still applies to them.
"""

from collections.abc import Iterator
from itertools import islice
from typing import BinaryIO

Size = tuple[int, int]
HEAD_BYTES = 1 << 18  # Matroska has its tracks in these
MOST_MOOV_BYTES = 1 << 24
# Real headers have dozens of parts, five deep; others are not followed further.
MOST_PARTS, DEEPEST = 1_000, 6

MATROSKA = b"\x1aE\xdf\xa3"
# A segment holds tracks, tracks hold entries, and an entry describes its picture.
SEGMENT, TRACKS, ENTRY = b"\x18\x53\x80\x67", b"\x16\x54\xae\x6b", b"\xae"
VIDEO, WIDTH, HEIGHT = b"\xe0", b"\xb0", b"\xba"
FIRST_BOXES = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")
BOXES_OF_BOXES = (b"trak", b"mdia", b"minf", b"stbl")
Part = tuple[bytes, int, int]


def big(data: bytes) -> int:
    return int.from_bytes(data, "big")


def little(data: bytes) -> int:
    return int.from_bytes(data, "little")


def declared_sizes(file: BinaryIO) -> list[Size]:
    """Width and height of each video stream in pixels; empty if the header does not say."""
    file.seek(0)
    head = file.read(72)
    if head[:4] == b"RIFF" and head[24:28] == b"avih":
        return [(little(head[64:68]), little(head[68:72]))]
    if head.startswith(MATROSKA):
        head += file.read(HEAD_BYTES)
        return list(_matroska_sizes(head, 0, len(head)))
    return list(_movie_sizes(_movie(file))) if head.startswith(FIRST_BOXES, 4) else []


def element_header(data: bytes, start: int, end: int) -> tuple[bytes, int, int | None] | None:
    """Name of the Matroska element at `start`, where its content begins, and the content's length (None if unknown).

    None if there is no whole header between `start` and `end`.
    """
    name_end = start + _width(data[start : start + 1])
    first = name_end + _width(data[name_end : name_end + 1])
    if name_end - start > 4 or first - name_end > 8 or first > end:
        return None
    unknown = (1 << 7 * (first - name_end)) - 1  # all bits set
    length = big(data[name_end:first]) & unknown
    return data[start:name_end], first, None if length == unknown else length


def _width(first: bytes) -> int:
    """Size in bytes of a number, which the leading zeros of its first byte give; 9 if that byte is invalid."""
    return 9 - first[0].bit_length() if first else 9


def box_header(head: bytes) -> tuple[bytes, int, int]:
    """Kind of an MP4 box by its first 16 bytes, size of its header, and length with it (0: to the end of the file)."""
    length = big(head[:4])
    return (head[4:8], 16, big(head[8:16])) if length == 1 else (head[4:8], 8, length)


def _matroska_sizes(data: bytes, start: int, end: int, depth: int = 0) -> Iterator[Size]:
    size: dict[bytes, int] = {}
    for _ in range(MOST_PARTS):
        header = element_header(data, start, end)
        if header is None:
            break
        name, first, length = header
        start = end if length is None else min(first + length, end)
        if name in (SEGMENT, TRACKS, ENTRY, VIDEO) and depth < DEEPEST:
            yield from _matroska_sizes(data, first, start, depth + 1)
        elif name in (WIDTH, HEIGHT):
            size[name] = big(data[first:start])
    if len(size) == 2:
        yield size[WIDTH], size[HEIGHT]


def _movie(file: BinaryIO) -> bytes:
    """The content of the box `moov`, which may lie behind the frames."""
    offset = 0
    for _ in range(MOST_PARTS):
        file.seek(offset)
        kind, begin, length = box_header(file.read(16))
        if kind == b"moov":
            file.seek(offset + begin)
            return file.read(min(length or MOST_MOOV_BYTES, MOST_MOOV_BYTES))
        if length < 8:
            break
        offset += length
    return b""


def _movie_sizes(moov: bytes) -> Iterator[Size]:
    for kind, first, last in _boxes(moov, 0, len(moov)):
        if kind == b"trak":
            parts = {name: begin for name, begin, _ in islice(_nested(moov, first, last), MOST_PARTS)}
            if b"hdlr" in parts and b"stsd" in parts and moov[parts[b"hdlr"] + 8 :][:4] == b"vide":
                size = parts[b"stsd"] + 8 + 32  # in the first description
                yield big(moov[size : size + 2]), big(moov[size + 2 : size + 4])


def _nested(data: bytes, start: int, end: int, depth: int = 0) -> Iterator[Part]:
    for kind, first, last in _boxes(data, start, end):
        yield kind, first, last
        if kind in BOXES_OF_BOXES and depth < DEEPEST:
            for part in _nested(data, first, last, depth + 1):
                if (kind, part[0]) != (b"minf", b"hdlr"):  # QuickTime's second handler is that of the data
                    yield part


def _boxes(data: bytes, start: int, end: int) -> Iterator[Part]:
    for _ in range(MOST_PARTS):
        length = big(data[start : start + 4])
        if length < 8 or start + length > end:
            return
        yield data[start + 4 : start + 8], start + 8, start + length
        start += length
