"""Reading clips from the store: frames by number, or their centre squares straight into a batch."""

import sys
from collections import Counter, OrderedDict
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from action_recognition.datasets.records import ClipRecord
from action_recognition.errors import VideoError, first_line
from action_recognition.readers.base import ClipReader, DecodingReader
from action_recognition.readers.store.entry import (
    DATA_OFFSET,
    DamagedEntryError,
    Header,
    StoreFormat,
    check_body,
    check_file,
    join_square,
    read_header,
)
from action_recognition.video.clip_sampling import Indices
from action_recognition.video.frames import Frame, center_crop, square_start

# Linux allows a process 65,530 maps.
MAX_MAPS = 32_768
# Damaged entries that one process names; a broken disk may have thousands.
NAMED = 5


class RawEntry:
    """A clip whose frames are copied out of the page cache.

    Attributes:
        square_NSSC, margin_NHWC: the mapped file; pages are read as they are touched.
    """

    def __init__(self, path: Path, header: Header, *, check: bool = True) -> None:
        self.frames, self.height, self.width, side = header.frames, header.height, header.width, header.side
        mapped = map_file(path, header.size_bytes)
        if check:
            check_body(mapped, header, path)
        body = mapped[DATA_OFFSET:]
        squares = self.frames * side * side * 3
        self.square_NSSC = body[:squares].reshape(self.frames, side, side, 3)
        beside = (side, self.width - side) if self.width > self.height else (self.height - side, side)
        self.margin_NHWC = body[squares:].reshape(self.frames, *beside, 3)

    def read(self, indices: Indices) -> Frame:
        return join_square(self.square_NSSC[indices], self.margin_NHWC[indices])

    def read_square(self, indices: Indices, out_TSSC: Frame, position: float = 0.5) -> None:
        size, side = out_TSSC.shape[1], self.square_NSSC.shape[1]
        if position != 0.5:
            np.copyto(out_TSSC, center_crop(self.read(indices), size, position))
            return
        if size == side:
            # One call for any indices; every other mode than "clip" goes through a copy of `out`.
            self.square_NSSC.take(indices, axis=0, out=out_TSSC, mode="clip")
            return
        # Not the square's own middle: halves of odd differences would be rounded twice.
        outer, inner = (square_start(self.height, self.width, length) for length in (side, size))
        top, left = inner[0] - outer[0], inner[1] - outer[1]
        for place, index in enumerate(indices.tolist()):
            out_TSSC[place] = self.square_NSSC[index, top : top + size, left : left + size]


class JpegEntry:
    """A clip of which only the frames asked for are decoded; `quality` is of its JPEG files."""

    def __init__(self, path: Path, header: Header, *, check: bool = True, quality: int = 0) -> None:
        self.path, self.quality = path, quality
        self.frames, self.height, self.width = header.frames, header.height, header.width
        self.memory = map_file(path, header.size_bytes)
        if check:
            check_body(self.memory, header, path)
        index_bytes = 8 * (self.frames + 1)
        self.offsets = self.memory[DATA_OFFSET : DATA_OFFSET + index_bytes].view("<u8").tolist()

    def read(self, indices: Indices) -> Frame:
        out_THWC = np.empty((len(indices), self.height, self.width, 3), dtype=np.uint8)
        self._decode(indices, out_THWC, slice(None), slice(None))
        return out_THWC

    def read_square(self, indices: Indices, out_TSSC: Frame, position: float = 0.5) -> None:
        size = out_TSSC.shape[1]
        top, left = square_start(self.height, self.width, size, position)
        self._decode(indices, out_TSSC, slice(top, top + size), slice(left, left + size))

    def jpegs(self) -> list[bytes]:
        """The JPEG file of each frame."""
        return [bytes(self.memory[start:end]) for start, end in pairwise(self.offsets)]

    def _decode(self, indices: Indices, out: Frame, rows: slice, columns: slice) -> None:
        decoded: dict[int, int] = {}
        for place, index in enumerate(indices.tolist()):
            if index in decoded:
                out[place] = out[decoded[index]]
                continue
            encoded = self.memory[self.offsets[index] : self.offsets[index + 1]]
            frame_HWC = cv2.imdecode(encoded, cv2.IMREAD_COLOR_RGB)
            if frame_HWC is None or frame_HWC.shape[:2] != (self.height, self.width):
                raise VideoError(
                    f"{self.path}: damaged at frame {index}; delete it, then: python commands.py cache-data"
                )
            out[place] = frame_HWC[rows, columns]
            decoded[index] = place


Entry = RawEntry | JpegEntry


class ClipStore(ClipReader):
    """The decoded clips below `root`.

    Only whole files count, whose checksums are right: they are compared when a process opens an entry first, which
    costs what reading the whole file costs. A damaged entry is as good as none, and named on stderr, also by a
    loader's workers. Nothing here is ever changed in place, so reading needs no lock while others write.

    Args:
        formats: in which a clip may be there, the first choice first.
        check: whether to compare checksums; to measure what they cost.
    """

    def __init__(self, root: Path, formats: Sequence[StoreFormat], *, check: bool = True) -> None:
        self.root = root
        self.formats = tuple(formats)
        self.check = check
        self._open: OrderedDict[str, Entry] = OrderedDict()
        self._checked: set[Path] = set()
        self._damaged: set[Path] = set()
        self._codecs: set[str] = set()

    @property
    def name(self) -> str:
        """`clip store, raw`: with the codecs of the entries found so far; `decoding` while there is none."""
        return ", ".join(("clip store", *sorted(self._codecs))) if self._codecs else DecodingReader.name

    def find(self, md5: str, *, frames: int | None = None) -> tuple[Path, Header] | None:
        """The file that holds the video with these bytes (and this many frames), and its header."""
        for entry_format in self.formats:
            path = entry_format.path(self.root, md5)
            if path in self._damaged:
                continue
            try:
                header = read_header(path)
            except DamagedEntryError as error:
                self._leave_out(error)
                continue
            if header and frames in (None, header.frames):
                self._codecs.add(header.codec)
                return path, header
        return None

    def entry(self, md5: str, *, frames: int | None = None) -> Entry | None:
        """The clip, mapped; None if it is damaged, not there, or not with `frames` frames.

        Its indices are the caller's care.
        """
        entry = self._open.get(md5)
        if entry is not None and frames in (None, entry.frames):
            return entry
        while (found := self.find(md5, frames=frames)) is not None:
            try:
                entry = self._opened(*found)
            except DamagedEntryError as error:
                self._leave_out(error)
                continue
            self._open[md5] = entry
            if len(self._open) > MAX_MAPS:
                self._open.popitem(last=False)
            return entry
        return None

    def _opened(self, path: Path, header: Header) -> Entry:
        check = self.check and path not in self._checked
        try:
            if header.codec == "raw":
                entry: Entry = RawEntry(path, header, check=check)
            else:
                entry = JpegEntry(path, header, check=check, quality=self.formats[0].quality)
        except (OSError, RuntimeError) as error:  # torch's, where a file cannot be mapped
            raise DamagedEntryError(path, f"cannot be read: {first_line(error)}") from None
        self._checked.add(path)
        return entry

    def _leave_out(self, error: DamagedEntryError) -> None:
        """Do without an entry from now on, and say so. At once: batches have no way to tell it from a worker."""
        self._damaged.add(error.path)
        if len(self._damaged) <= NAMED:
            line = f"clip store: {error}; its video is decoded instead; mend it: python commands.py cache-data"
            print(line, file=sys.stderr, flush=True)
        elif len(self._damaged) == NAMED + 1:
            print(f"clip store {self.root}: more entries are damaged; their videos are decoded", file=sys.stderr)

    def describe(self, records: Sequence[ClipRecord]) -> str:
        """How many of these clips are read from the store, and as what."""
        found = [self.find(record.md5, frames=record.frames) for record in records]
        held = Counter(entry[1].codec for entry in found if entry)
        is_all = held.total() == len(records)
        rest = "nothing is decoded" if is_all else "the others are decoded: cache-data adds them"
        codecs = " and ".join(held) or "none"
        return f"clip store {self.root}: holds {held.total()} of {len(records)} clips ({codecs}); {rest}"

    def only_copies(self, records: Sequence[ClipRecord]) -> bool:
        """Whether all of these clips are there raw."""
        found = (self.find(record.md5, frames=record.frames) for record in records)
        return all(entry is not None and entry[1].codec == "raw" for entry in found)

    def damage(self, md5: str) -> list[str]:
        """What is wrong with the entries of one video, in whichever format; each is read whole."""
        lines = []
        for path in (entry_format.path(self.root, md5) for entry_format in self.formats):
            try:
                check_file(path)
            except DamagedEntryError as error:
                lines.append(str(error))
        return lines

    def __getstate__(self) -> dict[str, Any]:
        # Maps do not travel to a worker that is not a fork; it makes its own.
        return self.__dict__ | {"_open": OrderedDict()}


def map_file(path: Path, size_bytes: int) -> NDArray[np.uint8]:
    """The file as memory, private and shared with the page cache until written to.

    Not `np.memmap`: that keeps a file descriptor for every map, and a process often may have no more than 1,024.
    """
    storage = torch.UntypedStorage.from_file(str(path), shared=False, nbytes=size_bytes)
    mapped = torch.empty(0, dtype=torch.uint8).set_(storage)  # type: ignore[arg-type]
    array: NDArray[np.uint8] = mapped.numpy()
    return array
