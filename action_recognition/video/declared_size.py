"""The size of a video's frames by its header: FFmpeg decodes some of them as it opens a file, whatever they take.

AVI, MP4, MOV, Matroska and WebM. Where a header is not understood nothing is said, and FFmpeg's own limit is what is
left: about 268 million pixels.
"""

from collections.abc import Iterator
from itertools import islice
from typing import BinaryIO

Size = tuple[int, int]
HEAD_BYTES = 1 << 18  # where Matroska has its tracks
MOST_MOOV_BYTES = 1 << 24
# Real headers have dozens of parts, five deep; others are not followed further.
MOST_PARTS, DEEPEST = 1_000, 6

# Matroska: a segment holds tracks, tracks hold entries, an entry holds what is said of its picture.
SEGMENT, TRACKS, ENTRY = b"\x18\x53\x80\x67", b"\x16\x54\xae\x6b", b"\xae"
VIDEO, WIDTH, HEIGHT = b"\xe0", b"\xb0", b"\xba"
BOXES_OF_BOXES = (b"trak", b"mdia", b"minf", b"stbl")
Part = tuple[bytes, int, int]


def declared_sizes(file: BinaryIO) -> list[Size]:
    """Width and height of each video stream, in pixels; none where the header does not say."""
    file.seek(0)
    head = file.read(72)
    if head[:4] == b"RIFF" and head[24:28] == b"avih":
        return [(int.from_bytes(head[64:68], "little"), int.from_bytes(head[68:72], "little"))]
    if head[:4] == b"\x1aE\xdf\xa3":
        head += file.read(HEAD_BYTES)
        return list(_matroska_sizes(head, 0, len(head)))
    if head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"):
        return list(_movie_sizes(_movie(file)))
    return []


def _matroska_sizes(data: bytes, start: int, end: int, depth: int = 0) -> Iterator[Size]:
    size: dict[bytes, int] = {}
    for name, first, last in _elements(data, start, end):
        if name in (SEGMENT, TRACKS, ENTRY, VIDEO) and depth < DEEPEST:
            yield from _matroska_sizes(data, first, last, depth + 1)
        elif name in (WIDTH, HEIGHT):
            size[name] = int.from_bytes(data[first:last], "big")
    if len(size) == 2:
        yield size[WIDTH], size[HEIGHT]


def _elements(data: bytes, start: int, end: int) -> Iterator[Part]:
    for _ in range(MOST_PARTS):
        name_bytes = _width(data[start : start + 1])
        length_bytes = _width(data[start + name_bytes : start + name_bytes + 1])
        first = start + name_bytes + length_bytes
        if name_bytes > 4 or length_bytes > 8 or first > end:
            return
        all_ones = (1 << 7 * length_bytes) - 1
        length = int.from_bytes(data[start + name_bytes : first], "big") & all_ones
        last = end if length == all_ones else min(first + length, end)
        yield data[start : start + name_bytes], first, last
        start = last


def _width(first: bytes) -> int:
    return 9 - first[0].bit_length() if first else 9


def _movie(file: BinaryIO) -> bytes:
    """What is in the box `moov`, which may lie behind the frames."""
    offset = 0
    for _ in range(MOST_PARTS):
        file.seek(offset)
        box = file.read(16)
        length = int.from_bytes(box[:4], "big")
        begin = 16 if length == 1 else 8
        if length == 1:
            length = int.from_bytes(box[8:16], "big")
        if box[4:8] == b"moov":
            file.seek(offset + begin)
            return file.read(min(length or MOST_MOOV_BYTES, MOST_MOOV_BYTES))
        if length < 8:
            return b""
        offset += length
    return b""


def _movie_sizes(moov: bytes) -> Iterator[Size]:
    for kind, first, last in _boxes(moov, 0, len(moov)):
        if kind == b"trak":
            parts = {name: (begin, end) for name, begin, end in islice(_nested(moov, first, last), MOST_PARTS)}
            if b"hdlr" in parts and b"stsd" in parts and moov[parts[b"hdlr"][0] + 8 :][:4] == b"vide":
                size = parts[b"stsd"][0] + 8 + 32  # in the first description
                yield int.from_bytes(moov[size : size + 2], "big"), int.from_bytes(moov[size + 2 : size + 4], "big")


def _nested(data: bytes, start: int, end: int, depth: int = 0) -> Iterator[Part]:
    for kind, first, last in _boxes(data, start, end):
        yield kind, first, last
        if kind in BOXES_OF_BOXES and depth < DEEPEST:
            # Of the two handlers of a QuickTime file the one of the media counts, not that of its data.
            yield from (
                part for part in _nested(data, first, last, depth + 1) if not (kind == b"minf" and part[0] == b"hdlr")
            )


def _boxes(data: bytes, start: int, end: int) -> Iterator[Part]:
    for _ in range(MOST_PARTS):
        length = int.from_bytes(data[start : start + 4], "big")
        if length < 8 or start + length > end:
            return
        yield data[start + 4 : start + 8], start + 8, start + length
        start += length
