"""One clip in a tar: `<key>.json` describes it, then follow its frames, `<key>.0000.jpg`, `<key>.0001.jpg` ...

Every frame is a JPEG file, so that `webdataset` decodes a shard with `.decode("rgb8")`, any tar program unpacks it to
pictures, and only the frames that are drawn need decoding. This costs 512 bytes per frame.
"""

import json
import tarfile
from collections.abc import Sequence
from dataclasses import asdict

import cv2
import numpy as np

from action_recognition.datasets.records import ClipRecord
from action_recognition.errors import DataError
from action_recognition.readers.base import read_each_once
from action_recognition.video.clip_sampling import Indices
from action_recognition.video.frames import Frame, center_crop

END_OF_TAR = bytes(2 * tarfile.BLOCKSIZE)


def sample_bytes(key: str, record: ClipRecord, *, label_number: int, jpegs: Sequence[bytes]) -> bytes:
    """A clip as members of a tar; the same clip always gives the same bytes."""
    about = {name: value for name, value in asdict(record).items() if name not in ("error", "size_bytes")}
    about["class"] = label_number
    members = {f"{key}.json": json.dumps(about, ensure_ascii=False, sort_keys=True).encode(errors="backslashreplace")}
    members |= {f"{key}.{number:04d}.jpg": jpeg for number, jpeg in enumerate(jpegs)}
    return b"".join(_member(name, content) for name, content in members.items())


class TarClip:
    """A clip in a tar; `origin` names it in error messages."""

    def __init__(self, content: bytes, *, origin: str) -> None:
        self.origin, self._members = origin, _members(content)

    def read(self, indices: Indices) -> Frame:
        return np.stack([self._frame(int(index)) for index in indices])

    def read_square(self, indices: Indices, out_TSSC: Frame, position: float = 0.5) -> None:
        size = out_TSSC.shape[1]
        read_each_once(indices, lambda index: center_crop(self._frame(index), size, position), out_TSSC)

    def _frame(self, index: int) -> Frame:
        """One whole frame, RGB uint8; `DataError` if it is missing or damaged."""
        jpeg = self._members.get(f"{index:04d}.jpg")
        frame_HWC = None if jpeg is None else cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR_RGB)
        if frame_HWC is None:
            again = "write the shards again: python commands.py export-shards"
            raise DataError(f"{self.origin}: frame {index} is missing or damaged; {again}")
        return np.asarray(frame_HWC, dtype=np.uint8)


def _member(name: str, content: bytes) -> bytes:
    header = tarfile.TarInfo(name)  # owner, rights and time are constants
    header.size = len(content)
    return header.tobuf(tarfile.USTAR_FORMAT) + content + bytes(-len(content) % tarfile.BLOCKSIZE)


def _members(sample: bytes) -> dict[str, memoryview]:
    """Contents by extension. Reads only what `_member` writes, in a tenth of the time that tarfile takes."""
    view, members, place = memoryview(sample), {}, 0
    while place < len(sample):
        name = bytes(view[place : place + 100]).rstrip(b"\0").decode()
        size = int(bytes(view[place + 124 : place + 135]), 8)
        first = place + tarfile.BLOCKSIZE
        members[name.partition(".")[2]] = view[first : first + size]
        place = first + -(-size // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE
    return members
