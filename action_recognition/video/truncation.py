"""Whether a video file ends before its own container says so. FFmpeg decodes a cut file without a complaint.

AVI, MP4, MOV, Matroska, WebM and ASF state the lengths of their parts. FLV, Ogg, MPEG program and MPEG transport
streams are chains of packets: a file that ends inside a packet is cut, but one cut exactly between two packets looks
whole. Live recordings and files still being written have parts of unknown length. They are accepted, like everything
else that is not understood, because a good file must not be refused.
"""

import os
from collections.abc import Callable
from functools import partial
from typing import BinaryIO

from action_recognition.video.declared_size import FIRST_BOXES, MATROSKA, big, box_header, element_header, little

# Steps along a file's outermost parts. An hour recorded in fragments has some thousands. Longer files are accepted, so
# that a file of nothing but tiny parts costs a fraction of a second.
MAX_STEPS = 100_000
# A file of more boxes than this whose average is smaller than this is no video: FFmpeg would take half a second for
# each megabyte of them.
SMALL_BOXES, SMALL_BOX_BYTES = 1_000, 64
HEAD_BYTES, TAIL_BYTES = 24, 1 << 18

# The length of the part that begins with these `HEAD_BYTES`, and whether that length is reliable; None if unknown.
Measure = Callable[[bytes], tuple[int, bool] | None]


class NoVideoError(Exception):
    """A file made to keep a decoder busy."""


def promised_bytes(file: BinaryIO) -> int | None:
    """The size in bytes that the file's own container promises: more than the file has if it is cut off.

    None if the container does not say, or is none of those above.

    Raises:
        NoVideoError: if it is made of nothing but tiny boxes.
    """
    size = os.fstat(file.fileno()).st_size
    head = _at(file, 0, 64)
    check = next((check for place, magic, check in CONTAINERS if head.startswith(magic, place)), _promised_by_packets)
    return check(file, size)


def _at(file: BinaryIO, offset: int, length: int) -> bytes:
    file.seek(offset)
    return file.read(length)


def _walk(
    file: BinaryIO, size: int, *, measure: Measure, start: int = 0, align: int = 1, refuse_tiny: bool = False
) -> int | None:
    """Where the last of a file's outermost parts ends; None if that is unknown."""
    offset = start
    for number in range(MAX_STEPS):
        if refuse_tiny and number >= SMALL_BOXES and offset < number * SMALL_BOX_BYTES:
            raise NoVideoError(f"{number} boxes of {offset // number} bytes each")
        part = measure(_at(file, offset, HEAD_BYTES))
        if part is None:
            return None
        length, is_reliable = part
        offset += length
        if offset >= size:
            return offset if is_reliable or offset == size else None
        offset += -offset % align
    return None


def _riff_chunk(head: bytes) -> tuple[int, bool] | None:
    """AVI has one chunk for each gigabyte or so."""
    length = little(head[4:8])
    is_known = head[:4] == b"RIFF" and head[8:11] == b"AVI" and length not in (0, 0xFFFFFFFF)
    return (8 + length, True) if is_known else None


BOXES = frozenset(
    b"ftyp moov mdat wide free skip moof mfra sidx styp ssix prft emsg uuid meta udta pdin pnot PICT junk".split()
)


def _box(head: bytes) -> tuple[int, bool] | None:
    """Cameras write notes of their own behind the last box of MP4 and MOV; those have no lengths."""
    kind, _, length = box_header(head)
    return (length, kind in BOXES) if length >= 8 else None


# Names of Matroska's elements. Only a segment and a cluster may have an unknown length.
SEGMENT, CLUSTER = 0x18538067, 0x1F43B675
# fmt: off
ELEMENTS = frozenset({
    0x1A45DFA3, SEGMENT, CLUSTER,
    0x114D9B74, 0x1549A966, 0x1654AE6B, 0x1C53BB6B, 0x1941A469, 0x1043A770, 0x1254C367,  # the other parts of a segment
    0xE7, 0x5854, 0xA7, 0xAB, 0xA3, 0xA0, 0xAF,  # the parts of a cluster
    0xEC, 0xBF,  # padding and checksum
})
# fmt: on


def _element(head: bytes) -> tuple[int, bool] | None:
    """A segment or cluster of unknown length is entered: it counts as its header alone."""
    header = element_header(head, 0, len(head))
    if header is None or big(header[0]) not in ELEMENTS:
        return None
    name, first, length = header
    if length is None:
        return (first, True) if big(name) in (SEGMENT, CLUSTER) else None
    return first + length, True


def _promised_by_tags(file: BinaryIO, size: int) -> int | None:
    """Flash video consists of tags, each followed by its length in four bytes; some files leave the last length out."""
    start = big(_at(file, 5, 4)) + 4
    last = big(_at(file, max(0, size - 4), 4))
    if start <= size - 4 - last and 11 + big(_at(file, size - 4 - last + 1, 3)) == last:
        return size
    promised = _walk(file, size, measure=_tag, start=start)
    return size if promised == size + 4 else promised


def _tag(head: bytes) -> tuple[int, bool] | None:
    is_tag = head[:1] in (b"\x08", b"\x09", b"\x12") and not any(head[8:11])
    return (15 + big(head[1:4]), True) if is_tag else None


ASF = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
ASF_DATA = bytes.fromhex("3626b2758e66cf11a6d900aa0062ce6c")
ASF_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")


def _promised_by_objects(file: BinaryIO, size: int) -> int | None:
    """ASF, which is WMV, consists of objects named by 16 bytes."""
    header = _at(file, 0, min(little(_at(file, 16, 8)), TAIL_BYTES))
    properties = header.find(ASF_PROPERTIES)
    is_live = properties >= 0 and bool(little(header[properties + 88 : properties + 89]) & 1)
    reliable = (ASF,) if is_live else (ASF, ASF_DATA)

    def measure(head: bytes) -> tuple[int, bool] | None:
        length = little(head[16:24])
        return (length, head[:16] in reliable) if len(head) == 24 and length >= 24 else None

    return _walk(file, size, measure=measure)


def _promised_by_pages(file: BinaryIO, size: int) -> int | None:
    """Ogg consists of pages of at most 65,307 bytes."""
    start = max(0, size - TAIL_BYTES)
    tail = _at(file, start, TAIL_BYTES)
    page = tail.rfind(b"OggS\0")
    if page < 0:
        return None
    segments = big(tail[page + 26 : page + 27])
    return start + page + 27 + segments + sum(tail[page + 27 : page + 27 + segments])


PACK, PROGRAM_END = b"\0\0\1\xba", 0xB9


def _promised_by_packs(file: BinaryIO, size: int) -> int | None:
    """MPEG program streams consist of packs of packets; those near the end are enough."""
    start = max(0, size - TAIL_BYTES)
    tail = _at(file, start, TAIL_BYTES)
    pack = -1
    for _ in range(16):  # the bytes that start a pack also occur by chance
        pack = tail.find(PACK, pack + 1)
        if pack < 0:
            return None
        end = _end_of_packs(tail, pack)
        if end is not None:
            return start + end
    return None


def _end_of_packs(tail: bytes, offset: int) -> int | None:
    """Where the packets that begin at `offset` end, which may be behind the end of `tail`; None if they do not."""
    while offset < len(tail):
        head = tail[offset : offset + 14]
        if not head.strip(b"\0"):  # padding, or too little to tell
            return len(tail) if not tail[offset:].strip(b"\0") else None
        if head[:3] != b"\0\0\1" or len(head) < 4 or head[3] < PROGRAM_END:
            return None
        if head[3] == PROGRAM_END:
            offset += 4
        elif head[3] == PACK[3]:
            is_mpeg2 = head[4:5] >= b"\x40"
            offset += 14 + (head[13] & 7 if len(head) == 14 else 0) if is_mpeg2 else 12
        else:
            offset += 6 + (big(head[4:6]) if len(head) >= 6 else 0)
    return offset


# MPEG transport streams: packets of 188 bytes, alone or with 4 bytes before or 16 behind.
PACKET, STRIDES, SYNC = 188, (188, 192, 204), 0x47


def _promised_by_packets(file: BinaryIO, size: int) -> int | None:
    head = _at(file, 0, 8 * max(STRIDES))
    for stride in STRIDES:
        for first in range(stride if len(head) >= 6 * stride else 0):  # a recording may begin inside a packet
            if all(head[place] == SYNC for place in range(first, len(head), stride)):
                last = size - 1 - (size - 1 - first) % stride
                return max(size, last + PACKET) if _at(file, last, 1)[0] == SYNC else None
    return None


def _promised_by_planes(file: BinaryIO, size: int) -> int | None:
    """YUV4MPEG2 is a line of text, then frames of equal length."""
    header = _at(file, 0, 1024).split(b"\n")[0]
    start = len(header) + 1
    fields = {word[:1]: word[1:] for word in header.decode("ascii", "replace").split()[1:]}
    width, height, colours = fields.get("W", ""), fields.get("H", ""), fields.get("C", "420")
    plain = colours in ("420", "420jpeg", "420mpeg2", "420paldv", "mono")
    if not (width.isdecimal() and height.isdecimal() and plain and _at(file, start, 6) == b"FRAME\n"):
        return None
    chroma = 0 if colours == "mono" else 2 * -(-int(width) // 2) * -(-int(height) // 2)
    frame_bytes = 6 + int(width) * int(height) + chroma
    return start + -(-(size - start) // frame_bytes) * frame_bytes


CONTAINERS: tuple[tuple[int, bytes | tuple[bytes, ...], Callable[[BinaryIO, int], int | None]], ...] = (
    (0, b"RIFF", partial(_walk, measure=_riff_chunk, align=2)),
    (4, FIRST_BOXES, partial(_walk, measure=_box, refuse_tiny=True)),
    (0, MATROSKA, partial(_walk, measure=_element)),
    (0, b"FLV", _promised_by_tags),
    (0, ASF, _promised_by_objects),
    (0, b"OggS", _promised_by_pages),
    (0, PACK, _promised_by_packs),
    (0, b"YUV4MPEG2 ", _promised_by_planes),
)
