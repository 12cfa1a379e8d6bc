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

from action_recognition.config import DataConfig
from action_recognition.datasets import dataset_of
from action_recognition.datasets.records import ClipRecord
from action_recognition.errors import VideoError, first_line
from action_recognition.readers.base import ClipReader, DecodingReader, read_each_once
from action_recognition.readers.store.entry import (
    CODECS,
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

MAX_MAPS = 32_768  # Linux allows a process 65,530
NAMED = 5  # damaged entries that one process names; a broken disk may have thousands


class RawEntry:
    """A clip whose frames are copied out of the page cache.

    Attributes:
        square_NSSC, margin_NHWC: the mapped file; pages are read as they are touched.
    """

    def __init__(self, path: Path, header: Header, *, check: bool) -> None:
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
            # Modes other than "clip" would make a copy of `out`.
            self.square_NSSC.take(indices, axis=0, out=out_TSSC, mode="clip")
            return
        # Not the middle of the square, because halves of odd differences would be rounded twice.
        outer, inner = (square_start(self.height, self.width, length) for length in (side, size))
        top, left = inner[0] - outer[0], inner[1] - outer[1]
        for place, index in enumerate(indices.tolist()):
            out_TSSC[place] = self.square_NSSC[index, top : top + size, left : left + size]


class JpegEntry:
    """A clip of JPEG files of a `quality`; only the requested frames are decoded."""

    def __init__(self, path: Path, header: Header, *, check: bool, quality: int) -> None:
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
        def decode(index: int) -> Frame:
            encoded = self.memory[self.offsets[index] : self.offsets[index + 1]]
            frame_HWC = cv2.imdecode(encoded, cv2.IMREAD_COLOR_RGB)
            if frame_HWC is None or frame_HWC.shape[:2] != (self.height, self.width):
                raise VideoError(
                    f"{self.path}: damaged at frame {index}; delete it, then: python commands.py cache-data"
                )
            return np.asarray(frame_HWC[rows, columns], dtype=np.uint8)

        read_each_once(indices, decode, out)


Entry = RawEntry | JpegEntry


class ClipStore(ClipReader):
    """The decoded clips below `root`, in one of `formats`; the first format is preferred.

    Checksums are compared when a process opens an entry first, which takes as long as reading the whole file. A damaged
    entry counts as missing and is named on stderr, also by a loader's workers. Files are never changed in place, so
    reading needs no lock while others write.
    """

    def __init__(self, root: Path, formats: Sequence[StoreFormat]) -> None:
        self.root, self.formats = root, tuple(formats)
        self.check = True  # False to measure what comparing checksums costs
        self._open: OrderedDict[str, Entry] = OrderedDict()
        self._checked: set[Path] = set()
        self._damaged: set[Path] = set()
        self._codecs: set[str] = set()

    @property
    def name(self) -> str:
        """`clip store, raw`: with the codecs of the entries found so far; `decoding` if there are none."""
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
        """The mapped clip, which does not check indices; None if it is damaged, missing, or has not `frames` frames."""
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
        except (OSError, RuntimeError) as error:  # torch raises the latter if it cannot map a file
            raise DamagedEntryError(path, f"cannot be read: {first_line(error)}") from None
        self._checked.add(path)
        return entry

    def _leave_out(self, error: DamagedEntryError) -> None:
        """Ignore an entry from now on. It is reported here because batches from a worker cannot carry the message."""
        self._damaged.add(error.path)
        if len(self._damaged) <= NAMED:
            line = f"clip store: {error}; its video is decoded instead; repair it: python commands.py cache-data"
            print(line, file=sys.stderr, flush=True)
        elif len(self._damaged) == NAMED + 1:
            print(f"clip store {self.root}: more entries are damaged; their videos are decoded", file=sys.stderr)

    def describe(self, records: Sequence[ClipRecord]) -> str:
        """One line with the number of these clips in the store, and their codecs."""
        found = [self.find(record.md5, frames=record.frames) for record in records]
        held = Counter(entry[1].codec for entry in found if entry)
        is_all = held.total() == len(records)
        rest = "nothing is decoded" if is_all else "the others are decoded: cache-data adds them"
        codecs = " and ".join(held) or "none"
        return f"clip store {self.root}: holds {held.total()} of {len(records)} clips ({codecs}); {rest}"

    def only_copies(self, records: Sequence[ClipRecord]) -> bool:
        """Whether all of these clips are in the store, raw."""
        found = (self.find(record.md5, frames=record.frames) for record in records)
        return all(entry is not None and entry[1].codec == "raw" for entry in found)

    def damage(self, md5: str) -> list[str]:
        """One line for each damaged entry of a video, in any format; each is read whole."""
        lines = []
        for entry_format in self.formats:
            try:
                check_file(entry_format.path(self.root, md5))
            except DamagedEntryError as error:
                lines.append(str(error))
        return lines

    def __getstate__(self) -> dict[str, Any]:
        # Maps cannot be sent to a worker that is not a fork; it makes its own.
        return self.__dict__ | {"_open": OrderedDict()}


def map_file(path: Path, size_bytes: int) -> NDArray[np.uint8]:
    """The file as memory, private, and shared with the page cache until written to.

    `np.memmap` would keep a file descriptor for every map, and processes are often limited to 1,024.
    """
    storage = torch.UntypedStorage.from_file(str(path), shared=False, nbytes=size_bytes)
    mapped = torch.empty(0, dtype=torch.uint8).set_(storage)  # type: ignore[arg-type]
    array: NDArray[np.uint8] = mapped.numpy()
    return array


def open_store(data: DataConfig, *, short_side: int) -> ClipStore | None:
    """The store named by `data.cache`, or None if there is none. With the codec `auto`, raw is preferred."""
    settings = data.cache
    if not dataset_of(data).is_video or settings.dir is None or not Path(settings.dir).is_dir():
        return None
    codecs = CODECS if settings.codec == "auto" else (settings.codec,)
    formats = [StoreFormat(codec=codec, short_side=short_side, quality=settings.quality) for codec in codecs]
    return ClipStore(Path(settings.dir), formats)
