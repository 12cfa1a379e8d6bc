"""The size of an image by its first bytes, known before a decoder takes memory for all of its pixels."""

from collections.abc import Callable

Size = tuple[int, int]
# Markers of JPEG that begin a frame, and so tell its size: C0 to CF without tables (C4, C8, CC).
JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
TIFF_WIDTH, TIFF_HEIGHT, TIFF_SHORT = 256, 257, 3
MOST_TIFF_ENTRIES = 65_535


def image_size(content: bytes) -> Size | None:
    """Width and height as the header has them; None for what is no PNG, JPEG, BMP, TIFF, WebP, GIF, PNM or AVIF."""
    for magic, read in READERS:
        if content[magic[0] : magic[0] + len(magic[1])] == magic[1]:
            try:
                return read(content)
            except (IndexError, ValueError):
                return None
    return None


def _big(data: bytes) -> int:
    return int.from_bytes(data, "big")


def _little(data: bytes) -> int:
    return int.from_bytes(data, "little")


def _png(content: bytes) -> Size | None:
    return _big(content[16:20]), _big(content[20:24])


def _gif(content: bytes) -> Size | None:
    return _little(content[6:8]), _little(content[8:10])


def _bmp(content: bytes) -> Size | None:
    if _little(content[14:18]) == 12:  # OS/2
        return _little(content[18:20]), _little(content[20:22])
    width, height = (int.from_bytes(content[place : place + 4], "little", signed=True) for place in (18, 22))
    return abs(width), abs(height)  # below 0: from top to bottom


def _jpeg(content: bytes) -> Size | None:
    offset = 2
    while 0 <= offset <= len(content) - 9:
        if content[offset] != 0xFF:  # decoders pass over stray bytes between segments
            offset = content.find(0xFF, offset)
            continue
        marker = content[offset + 1]
        if marker in JPEG_FRAMES:
            return _big(content[offset + 7 : offset + 9]), _big(content[offset + 5 : offset + 7])
        if marker == 0xFF:  # padding
            offset += 1
        elif marker == 0x01 or 0xD0 <= marker <= 0xD8:  # without a length
            offset += 2
        else:
            offset += 2 + max(2, _big(content[offset + 2 : offset + 4]))
    return None


def _webp(content: bytes) -> Size | None:
    kind = content[12:16]
    if kind == b"VP8X":
        return 1 + _little(content[24:27]), 1 + _little(content[27:30])
    if kind == b"VP8L":
        bits = _little(content[21:25])
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    return _little(content[26:28]) & 0x3FFF, _little(content[28:30]) & 0x3FFF


def _tiff(content: bytes) -> Size | None:
    number = _little if content[:2] == b"II" else _big
    is_big = number(content[2:4]) == 43  # BigTIFF: numbers of 8 bytes
    offset = number(content[8:16] if is_big else content[4:8])
    count_bytes, entry_bytes, value = (8, 20, 12) if is_big else (2, 12, 8)
    first = offset + count_bytes
    entries = min(number(content[offset:first]), MOST_TIFF_ENTRIES)
    sizes = {}
    for place in range(first, first + entry_bytes * entries, entry_bytes):
        tag, kind = number(content[place : place + 2]), number(content[place + 2 : place + 4])
        if tag in (TIFF_WIDTH, TIFF_HEIGHT):
            sizes[tag] = number(content[place + value : place + value + (2 if kind == TIFF_SHORT else 4)])
    return (sizes[TIFF_WIDTH], sizes[TIFF_HEIGHT]) if len(sizes) == 2 else None


def _pnm(content: bytes) -> Size | None:
    lines = content[2:4096].split(b"\n")
    words = b" ".join(line.split(b"#")[0] for line in lines).split()
    return int(words[0]), int(words[1])


def _avif(content: bytes) -> Size | None:
    # Every picture inside (the whole one, its tiles, its transparency) has such a box; the largest is the whole one.
    sizes, place = [], content.find(b"ispe")
    while place >= 0:
        sizes.append((_big(content[place + 8 : place + 12]), _big(content[place + 12 : place + 16])))
        place = content.find(b"ispe", place + 4)
    return max(sizes, key=lambda size: size[0] * size[1], default=None)


READERS: tuple[tuple[tuple[int, bytes], Callable[[bytes], Size | None]], ...] = (
    ((0, b"\x89PNG\r\n\x1a\n"), _png),
    ((0, b"\xff\xd8\xff"), _jpeg),
    ((0, b"BM"), _bmp),
    ((0, b"II*\0"), _tiff),
    ((0, b"MM\0*"), _tiff),
    ((0, b"II+\0"), _tiff),
    ((0, b"MM\0+"), _tiff),
    ((8, b"WEBP"), _webp),
    ((0, b"GIF8"), _gif),
    ((4, b"ftyp"), _avif),
    *(((0, b"P%d" % kind), _pnm) for kind in range(1, 7)),
)
