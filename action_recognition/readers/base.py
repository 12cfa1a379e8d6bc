"""What a reader is: a place that training frames come from, clip by clip."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np

from action_recognition.datasets.records import ClipRecord
from action_recognition.video.clip_sampling import Indices
from action_recognition.video.frames import Frame, center_crop

# Clips that are fetched in one go. Neighbours in a shard have nothing to do with each other, see `in_shard_order`.
CHUNK = 16


class Place(NamedTuple):
    """Where a clip lies: `clip` counts within the shard."""

    shard: int
    clip: int

    @property
    def chunk(self) -> tuple[int, int]:
        return self.shard, self.clip // CHUNK


class ClipFrames(Protocol):
    """A clip whose frames can be read by number, whole or cut to squares."""

    def read(self, indices: Indices) -> Frame:
        """The frames numbered `indices`, `[len(indices), H, W, C]`."""
        ...

    def read_square(self, indices: Indices, out_TSSC: Frame, position: float = 0.5) -> None:
        """Write squares of the frames numbered `indices` to `out_TSSC`, as large as it has them.

        Args:
            position: of the squares along the frame's longer side, 0 to 1; 0.5 is the centre.
        """
        ...


class ClipReader(Protocol):
    """Where frames of training clips are read from; the methods' defaults are right where every clip is decoded.

    Attributes:
        name: for the records of a run.
    """

    @property
    def name(self) -> str: ...

    def entry(self, md5: str, *, frames: int | None = None) -> ClipFrames | None:
        """The clip whose video has this MD5 (and this many frames); None if it is not there and has to be decoded."""
        ...

    def describe(self, records: Sequence[ClipRecord]) -> str:  # noqa: ARG002
        """One line on where these clips are read from; empty where they are simply decoded."""
        return ""

    def only_copies(self, records: Sequence[ClipRecord]) -> bool:  # noqa: ARG002
        """Whether reading these clips only copies memory, so that threads are faster than worker processes."""
        return False

    def places(self, records: Sequence[ClipRecord]) -> list[Place] | None:  # noqa: ARG002
        """Where the clips lie, if clips next to each other should be read together; None if any order is as good."""
        return None

    def keep(self, clips: int) -> None:  # noqa: ARG002
        """Hold at least so many clips that were fetched together with others."""
        return


class DecodingReader(ClipReader):
    """Holds nothing: every clip is decoded from its video each time."""

    name = "decoding"

    def entry(self, md5: str, *, frames: int | None = None) -> None:  # noqa: ARG002
        return None


class DecodedFrames:
    """Frames that are decoded; their numbers are their places here."""

    def __init__(self, frames_LHWC: Frame) -> None:
        self.frames_LHWC = frames_LHWC

    def read(self, indices: Indices) -> Frame:
        return self.frames_LHWC[indices]

    def read_square(self, indices: Indices, out_TSSC: Frame, position: float = 0.5) -> None:
        np.copyto(out_TSSC, center_crop(self.frames_LHWC, out_TSSC.shape[1], position)[indices])
