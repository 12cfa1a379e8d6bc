"""The protocol of readers, which provide the frames of training clips."""

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

import numpy as np

from action_recognition.datasets.records import ClipRecord
from action_recognition.video.clip_sampling import Indices
from action_recognition.video.frames import Frame, center_crop

CHUNK = 16  # clips that are fetched together; neighbours in a shard are unrelated, see `in_shard_order`


class Place(NamedTuple):
    """The position of a clip; `clip` counts within the shard."""

    shard: int
    clip: int

    @property
    def chunk(self) -> tuple[int, int]:
        return self.shard, self.clip // CHUNK


class ClipFrames(Protocol):
    """A clip whose frames are read by number."""

    def read(self, indices: Indices) -> Frame:
        """The frames numbered `indices`, `[len(indices), H, W, C]`."""
        ...

    def read_square(self, indices: Indices, out_TSSC: Frame, position: float = 0.5) -> None:
        """Write squares of these frames to `out_TSSC`; `position` is along the longer side, 0 to 1."""
        ...


class ClipReader(Protocol):
    """A place that frames of clips are read from. The defaults of the methods are those of decoding every clip."""

    @property
    def name(self) -> str:
        """The name in the records of a run."""
        ...

    def entry(self, md5: str, *, frames: int | None = None) -> ClipFrames | None:
        """The clip whose video has this MD5 (and this many frames); None if it is not there and has to be decoded."""
        ...

    def describe(self, records: Sequence[ClipRecord]) -> str:  # noqa: ARG002
        """One line about where these clips are read from; empty if they are decoded."""
        return ""

    def only_copies(self, records: Sequence[ClipRecord]) -> bool:  # noqa: ARG002
        """Whether reading these clips only copies memory, so that threads are faster than worker processes."""
        return False

    def places(self, records: Sequence[ClipRecord]) -> list[Place] | None:  # noqa: ARG002
        """The clips' positions, if neighbours should be read together; None if any order is as good."""
        return None

    def keep(self, clips: int) -> None:  # noqa: ARG002
        """Hold at least this number of clips that were fetched together with others."""
        return


def read_each_once(indices: Indices, read: Callable[[int], Frame], out_TSSC: Frame) -> None:
    """Write the frames numbered `indices`; an index that occurs again is copied instead of read again."""
    places: dict[int, int] = {}
    for place, index in enumerate(indices.tolist()):
        out_TSSC[place] = out_TSSC[places[index]] if index in places else read(index)
        places[index] = place


class DecodingReader(ClipReader):
    """Decodes every clip from its video each time."""

    name = "decoding"

    def entry(self, md5: str, *, frames: int | None = None) -> None:  # noqa: ARG002
        return None


class DecodedFrames:
    """Decoded frames; an index is a position in `frames_LHWC`."""

    def __init__(self, frames_LHWC: Frame) -> None:
        self.frames_LHWC = frames_LHWC

    def read(self, indices: Indices) -> Frame:
        return self.frames_LHWC[indices]

    def read_square(self, indices: Indices, out_TSSC: Frame, position: float = 0.5) -> None:
        np.copyto(out_TSSC, center_crop(self.frames_LHWC, out_TSSC.shape[1], position)[indices])
