"""What a reader is: a place that training frames come from, clip by clip."""

from typing import Protocol

import numpy as np

from action_recognition.video.clip_sampling import Indices
from action_recognition.video.decoder import Frame, center_crop


class ClipFrames(Protocol):
    """A clip whose frames can be had by number, cut to squares; `position` 0 to 1 is along the frame's longer side."""

    def read(self, indices: Indices) -> Frame: ...

    def read_square(self, indices: Indices, out_TSSC: Frame, position: float = 0.5) -> None: ...


class ClipReader(Protocol):
    """Clips by the MD5 of their video, such as a `ClipStore`; None for one that is not there and has to be decoded."""

    def entry(self, md5: str, *, frames: int | None = None) -> ClipFrames | None: ...


class DecodedFrames:
    """Frames that are decoded; their numbers are their places here."""

    def __init__(self, frames_LHWC: Frame) -> None:
        self.frames_LHWC = frames_LHWC

    def read(self, indices: Indices) -> Frame:
        return self.frames_LHWC[indices]

    def read_square(self, indices: Indices, out_TSSC: Frame, position: float = 0.5) -> None:
        np.copyto(out_TSSC, center_crop(self.frames_LHWC, out_TSSC.shape[1], position)[indices])
