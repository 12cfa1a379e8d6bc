"""Whether a video file ends before its own container says that it does. FFmpeg decodes what is there and says nothing.

What can be known differs. AVI, MP4, MOV, Matroska, WebM and ASF say how long their parts are. FLV, Ogg, MPEG program
and MPEG transport streams are chains of packets: a file that ends inside a packet is cut, and one that was cut exactly
between two packets looks whole. A file that is still being written, or was recorded live, has parts of unknown length:
it is believed. So is anything else that is not understood, because a good file must not be refused.
"""

import os
from collections.abc import Callable
from typing import BinaryIO

# Steps along a file's outermost parts. Recordings in fragments have some thousands of them an hour; past this the file
# is believed, so that one made of nothing but tiny parts costs a fraction of a second.
MAX_STEPS = 100_000
# A file of more boxes than this, which hold less than this on average, is no video: FFmpeg would take half a second for
# each megabyte of them.
SMALL_BOXES, SMALL_BOX_BYTES = 1_000, 64
TAIL_BYTES = 1 << 18
Check = Callable[[BinaryIO, int], int | None]


class NoVideoError(Exception):
    """A file that is made to keep a decoder busy."""


def promised_bytes(file: BinaryIO) -> int | None:
    """Bytes that the file must have by its own account: more than it has if it is cut off.

    None where it does not say, or where the container is not one of those above.

    Raises:
        NoVideoError: if it is made of nothing but tiny boxes.
    """
    size = os.fstat(file.fileno()).st_size
    head = _at(file, 0, 64)
    check = next((check for matches, check in CONTAINERS if matches(head)), None)
    if check is None:
        return _promised_by_packets(file, size)
    return check(file, size)


def _at(file: BinaryIO, offset: int, length: int) -> bytes:
    file.seek(offset)
    return file.read(length)


def _big(data: bytes) -> int:
    return int.from_bytes(data, "big")


def _little(data: bytes) -> int:
    return int.from_bytes(data, "little")


# AVI: chunks named RIFF, one for each gigabyte or so.


def _promised_by_riff(file: BinaryIO, size: int) -> int | None:
    offset = 0
    for _ in range(MAX_STEPS):
        head = _at(file, offset, 12)
        if head[:4] != b"RIFF" or head[8:11] != b"AVI":
            return None
        length = _little(head[4:8])
        if length in (0, 0xFFFFFFFF):  # written without going back: not known
            return None
        offset += 8 + length
        if offset >= size:
            return offset
        offset += offset % 2
    return None


# MP4 and MOV: boxes, one after the other.
BOXES = frozenset(
    b"ftyp moov mdat wide free skip moof mfra sidx styp ssix prft emsg uuid meta udta pdin pnot PICT junk".split()
)


def _promised_by_boxes(file: BinaryIO, size: int) -> int | None:
    offset = 0
    for number in range(MAX_STEPS):
        if number >= SMALL_BOXES and offset < number * SMALL_BOX_BYTES:
            raise NoVideoError(f"{number} boxes of {offset // number} bytes each")
        box = _at(file, offset, 16)
        length, kind = _big(box[:4]), box[4:8]
        if length == 1:
            length = _big(box[8:16])
        if length < 8:  # 0: the box goes on to the end of the file
            return None
        if offset + length > size:
            # Cameras write notes of their own behind the last box; those are not lengths.
            return offset + length if kind in BOXES else None
        offset += length
        if offset == size:
            return size
    return None


# Matroska and WebM: elements inside one another; a length of all ones is not known.
EBML, SEGMENT, CLUSTER = 0x1A45DFA3, 0x18538067, 0x1F43B675
# fmt: off
ELEMENTS = frozenset({
    EBML, SEGMENT, CLUSTER,
    0x114D9B74, 0x1549A966, 0x1654AE6B, 0x1C53BB6B, 0x1941A469, 0x1043A770, 0x1254C367,  # the other parts of a segment
    0xE7, 0x5854, 0xA7, 0xAB, 0xA3, 0xA0, 0xAF,  # the parts of a cluster
    0xEC, 0xBF,  # padding and checksum
})
# fmt: on


def _promised_by_elements(file: BinaryIO, size: int) -> int | None:
    offset = 0
    for _ in range(MAX_STEPS):
        head = _at(file, offset, 12)
        name_bytes, length_bytes = _width(head[:1]), 0
        if name_bytes <= 4:
            length_bytes = _width(head[name_bytes : name_bytes + 1])
        if name_bytes > 4 or length_bytes > 8 or len(head) < name_bytes + length_bytes:
            return None
        name = _big(head[:name_bytes])
        if name not in ELEMENTS:
            return None
        all_ones = (1 << 7 * length_bytes) - 1
        length = _big(head[name_bytes : name_bytes + length_bytes]) & all_ones
        offset += name_bytes + length_bytes
        if length == all_ones:
            if name not in (SEGMENT, CLUSTER):
                return None
            continue  # to the first element inside
        offset += length
        if offset >= size:
            return offset
    return None


def _width(first: bytes) -> int:
    """Bytes of a number whose first byte tells by its leading zeros; 9 where that is no such byte."""
    return 9 - first[0].bit_length() if first else 9


# Flash video: tags, each followed by its length.


def _promised_by_tags(file: BinaryIO, size: int) -> int | None:
    start = _big(_at(file, 5, 4)) + 4
    last = _big(_at(file, max(0, size - 4), 4))
    if start <= size - 4 - last and 11 + _big(_at(file, size - 4 - last + 1, 3)) == last:
        return size  # it ends with a tag and its length
    offset = start
    for _ in range(MAX_STEPS):
        tag = _at(file, offset, 11)
        if not tag or tag[0] not in (8, 9, 18) or any(tag[8:11]):  # kinds of tags, and three bytes always 0
            return None
        offset += 11 + _big(tag[1:4])
        if offset == size:  # some leave the last length out
            return size
        offset += 4
        if offset >= size:
            return offset
    return None


# ASF, which is WMV: objects, named by 16 bytes.
ASF = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
ASF_DATA = bytes.fromhex("3626b2758e66cf11a6d900aa0062ce6c")
ASF_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")


def _promised_by_objects(file: BinaryIO, size: int) -> int | None:
    header = _at(file, 0, min(_little(_at(file, 16, 8)), TAIL_BYTES))
    properties = header.find(ASF_PROPERTIES)
    is_live = properties >= 0 and bool(_little(header[properties + 88 : properties + 89]) & 1)
    offset = 0
    for _ in range(MAX_STEPS):
        head = _at(file, offset, 24)
        length = _little(head[16:24])
        if len(head) < 24 or length < 24:
            return None
        offset += length
        if offset > size:
            return offset if head[:16] in (ASF, ASF_DATA) and not (is_live and head[:16] == ASF_DATA) else None
    return None


# Ogg: pages of at most 65,307 bytes.


def _promised_by_pages(file: BinaryIO, size: int) -> int | None:
    start = max(0, size - TAIL_BYTES)
    tail = _at(file, start, TAIL_BYTES)
    page = tail.rfind(b"OggS\0")
    if page < 0:
        return None
    segments = tail[page + 26 : page + 27]
    if not segments:
        return start + page + 27
    lengths = tail[page + 27 : page + 27 + segments[0]]
    return start + page + 27 + segments[0] + sum(lengths)


# MPEG program streams: packs of packets; what is around the end is enough.
PACK, PROGRAM_END = b"\0\0\1\xba", 0xB9


def _promised_by_packs(file: BinaryIO, size: int) -> int | None:
    start = max(0, size - TAIL_BYTES)
    tail = _at(file, start, TAIL_BYTES)
    pack = tail.find(PACK)
    for _ in range(16):  # the bytes of a pack's start can be anything else by chance
        if pack < 0:
            return None
        end = _end_of_packs(tail, pack)
        if end is not None:
            return start + end
        pack = tail.find(PACK, pack + 1)
    return None


def _end_of_packs(tail: bytes, offset: int) -> int | None:
    """Where the packets from `offset` on come to an end, which may be behind the end of `tail`; None if they do not."""
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
        elif len(head) < 6:
            offset += 6
        else:
            offset += 6 + _big(head[4:6])
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


# YUV4MPEG2: a line of text, then frames of equal length.


def _promised_by_planes(file: BinaryIO, size: int) -> int | None:
    header = _at(file, 0, 1024).split(b"\n")[0]
    fields = {word[:1]: word[1:] for word in header.decode("ascii", "replace").split()[1:]}
    frame = _at(file, len(header) + 1, 6)
    width, height, colours = fields.get("W", ""), fields.get("H", ""), fields.get("C", "420")
    plain = colours in ("420", "420jpeg", "420mpeg2", "420paldv", "mono")
    if not (width.isdecimal() and height.isdecimal() and plain and frame == b"FRAME\n"):
        return None
    chroma = 0 if colours == "mono" else 2 * -(-int(width) // 2) * -(-int(height) // 2)
    frame_bytes = 6 + int(width) * int(height) + chroma
    start = len(header) + 1
    return start + -(-(size - start) // frame_bytes) * frame_bytes


CONTAINERS: tuple[tuple[Callable[[bytes], bool], Check], ...] = (
    (lambda head: head[:4] == b"RIFF" and head[8:11] == b"AVI", _promised_by_riff),
    (lambda head: head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"), _promised_by_boxes),
    (lambda head: head[:4] == b"\x1aE\xdf\xa3", _promised_by_elements),
    (lambda head: head[:3] == b"FLV", _promised_by_tags),
    (lambda head: head[:16] == ASF, _promised_by_objects),
    (lambda head: head[:4] == b"OggS", _promised_by_pages),
    (lambda head: head[:4] == PACK, _promised_by_packs),
    (lambda head: head[:10] == b"YUV4MPEG2 ", _promised_by_planes),
)
