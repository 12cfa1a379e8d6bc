"""Clips for a model from a stream of frames: each window is cut when its last frame arrives."""

from collections import deque
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from action_recognition.contract import ClipContract
from action_recognition.errors import VideoError
from action_recognition.video.clip_sampling import apply_short_clip_policy, clip_at
from action_recognition.video.frames import Frame


class CutWindow(NamedTuple):
    """`clip_CTHW` uint8, cut from frames `first_frame` up to `end_frame`."""

    first_frame: int
    end_frame: int
    clip_CTHW: Frame


class WindowCutter:
    """Cuts the windows that cover a whole video, without knowing how long it is.

    Windows of `contract.span` frames follow each other with the given overlap. The last one is moved back to end with
    the video, so that every frame is covered and no window needs padding; a video shorter than the span has one window.
    Only one span of frames is held, however long the video is.

    Args:
        overlap: fraction of a window that the next one repeats, from 0 to below 1.
        origin: the video, for messages.

    Attributes:
        frames: the number of frames so far.
    """

    def __init__(self, contract: ClipContract, *, overlap: float, origin: str) -> None:
        self.contract = contract
        self.frames = 0
        self._origin = origin
        self._hop = max(1, round(contract.span * (1 - overlap)))
        self._next_start = 0
        self._latest: deque[Frame] = deque(maxlen=contract.span)

    def cut(self, frames: Iterable[Frame]) -> Iterator[CutWindow]:
        """Cut windows from frames `[H, W, C]`, each `size` pixels square.

        Raises:
            VideoError: if there are fewer than `contract.min_frames`, or than a window under the policy `error`.
        """
        span = self.contract.span
        for frame_HWC in frames:
            self._latest.append(frame_HWC)
            self.frames += 1
            if self.frames == self._next_start + span:
                yield self._window(self._next_start)
                self._next_start += self._hop
        if self.frames < self.contract.min_frames:
            counted = "1 frame" if self.frames == 1 else f"{self.frames} frames"
            raise VideoError(f"{self._origin}: {counted}, expected at least {self.contract.min_frames}")
        last_end = self._next_start - self._hop + span if self._next_start else 0
        if last_end < self.frames:
            yield self._window(max(self.frames - span, 0))

    def _window(self, start: int) -> CutWindow:
        """The window of the kept frames, the first of which is number `start`."""
        contract = self.contract
        indices_T = clip_at(0, frames=contract.frames, stride=contract.stride)
        try:
            indices_T = apply_short_clip_policy(indices_T, num_frames=len(self._latest), policy=contract.short_clip)
        except VideoError as error:
            raise VideoError(f"{self._origin}: {error}") from None
        clip_CTHW = np.stack([self._latest[index] for index in indices_T]).transpose(3, 0, 1, 2)
        return CutWindow(start, start + len(self._latest), np.ascontiguousarray(clip_CTHW))
