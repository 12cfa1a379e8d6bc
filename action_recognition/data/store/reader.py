"""Reading clips from the store: frames by number, or their centre squares straight into a batch."""

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from action_recognition.data.manifest import ClipRecord
from action_recognition.data.sampling import Indices
from action_recognition.data.store.entry import (
    DATA_OFFSET,
    Frame,
    Header,
    StoreFormat,
    join_square,
    read_header,
)
from action_recognition.data.video import center_crop, square_start
from action_recognition.errors import VideoError

# Linux allows a process 65,530 maps.
MAX_MAPS = 32_768


class RawEntry:
    """A clip whose frames are copied out of the page cache.

    Attributes:
        square_NSSC, margin_NHWC: the mapped file; pages are read as they are touched.
    """

    def __init__(self, path: Path, header: Header) -> None:
        self.frames, self.height, self.width, side = header.frames, header.height, header.width, header.side
        body = map_file(path, header.size_bytes)[DATA_OFFSET:]
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
    """A clip of which only the frames asked for are decoded."""

    def __init__(self, path: Path, header: Header) -> None:
        self.path = path
        self.frames, self.height, self.width = header.frames, header.height, header.width
        self.memory = map_file(path, header.size_bytes)
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

    def _decode(self, indices: Indices, out: Frame, rows: slice, columns: slice) -> None:
        decoded: dict[int, int] = {}
        for place, index in enumerate(indices.tolist()):
            if index in decoded:
                out[place] = out[decoded[index]]
                continue
            encoded = self.memory[self.offsets[index] : self.offsets[index + 1]]
            frame_HWC = cv2.imdecode(encoded, cv2.IMREAD_COLOR_RGB)
            if frame_HWC is None:
                raise VideoError(
                    f"{self.path}: damaged at frame {index}; delete it, then: python commands.py cache-data"
                )
            out[place] = frame_HWC[rows, columns]
            decoded[index] = place


Entry = RawEntry | JpegEntry


class ClipStore:
    """The decoded clips below `root`.

    Only whole files count. Nothing here is ever changed in place, so reading needs no lock while others write.

    Args:
        formats: in which a clip may be there, the first choice first.
    """

    def __init__(self, root: Path, formats: Sequence[StoreFormat]) -> None:
        self.root = root
        self.formats = tuple(formats)
        self._open: OrderedDict[str, Entry] = OrderedDict()

    def find(self, md5: str, *, frames: int | None = None) -> tuple[Path, Header] | None:
        """The file that holds the video with these bytes (and this many frames), and its header."""
        for entry_format in self.formats:
            path = entry_format.path(self.root, md5)
            header = read_header(path)
            if header and frames in (None, header.frames):
                return path, header
        return None

    def entry(self, md5: str, *, frames: int | None = None) -> Entry | None:
        """The clip, mapped; None if it is not there, or not with `frames` frames. Its indices are the caller's care."""
        entry = self._open.get(md5)
        if entry is not None and frames in (None, entry.frames):
            return entry
        found = self.find(md5, frames=frames)
        if found is None:
            return None
        path, header = found
        entry = RawEntry(path, header) if header.codec == "raw" else JpegEntry(path, header)
        self._open[md5] = entry
        if len(self._open) > MAX_MAPS:
            self._open.popitem(last=False)
        return entry

    def only_copies(self, records: Iterable[ClipRecord]) -> bool:
        """Whether all of these clips are there raw, so that reading them is nothing but copying."""
        found = (self.find(record.md5, frames=record.frames) for record in records)
        return all(entry is not None and entry[1].codec == "raw" for entry in found)

    def read(self, md5: str, indices: Indices) -> Frame:
        """Frames of one clip, RGB uint8 `[T, H, W, 3]`, the shorter side as long as the store's formats say.

        Args:
            indices: `[T]` in any order, repeats allowed.

        Raises:
            VideoError: if the store does not hold the clip, or the clip has no such frame.
        """
        entry = self.entry(md5)
        if entry is None:
            raise VideoError(f"{self.root}: no clip of a video with md5 {md5}; run: python commands.py cache-data")
        if indices.min() < 0 or indices.max() >= entry.frames:
            raise VideoError(f"{self.root}: frames {indices.tolist()} asked for, {md5} has {entry.frames}")
        return entry.read(indices)

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
