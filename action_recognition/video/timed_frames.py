"""A stream of frames with their times, and the few of them that a model sees."""

import math
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from action_recognition.contract import ClipContract
from action_recognition.video.frame_times import first_place
from action_recognition.video.frames import Frame


class TimedFrame(NamedTuple):
    """One frame of a stream.

    Attributes:
        seconds: when it is shown, from 0 at the first frame, increasing; None if the input has no times.
        read: converts it to `[H, W, C]`. To be called before the next frame is asked for, or not at all: frames that no
            clip needs cost no conversion.
    """

    seconds: float | None
    read: Callable[[], Frame]


class Sample(NamedTuple):
    """The frame that counts at one place of the grid; `number` is the frame's own, in the input."""

    place: int
    number: int
    frame_HWC: Frame


class FrameSampler:
    """Takes from a stream the frames that clips of a contract are made of: every `stride`-th place of the grid.

    Of the first `contract.span` places it takes all, because a video that ends there is filled up by the contract's
    policy, which counts single frames.

    A frame is converted only if it may count at a place that is needed, judged by the interval before it. Where
    the next frame then comes later than expected, the one converted last stands in.

    Attributes:
        frames: of the input so far.
        end_seconds: when the last of them ends; 0.0 for an input without times.
        places: of the grid, once the input has ended: `M` of `frame_times.frames_on_grid`.
    """

    def __init__(self, contract: ClipContract) -> None:
        self._contract = contract
        self.frames = self.places = 0
        self.end_seconds = 0.0
        self._place = self._interval = 0.0  # of the latest frame, on the grid

    @property
    def fps(self) -> float:
        """Frames per second of the input so far; 0.0 without times."""
        return self.frames / self.end_seconds if self.end_seconds else 0.0

    def seconds_at(self, place: int) -> float:
        """When a place of the grid is; 0.0 without times."""
        if self._contract.fps:
            return place / self._contract.fps if self.end_seconds else 0.0
        return place / self.fps if self.fps else 0.0

    def sample(self, frames: Iterable[TimedFrame]) -> Iterator[Sample]:
        """The samples in order. Holds one frame."""
        needed, span = 0, self._contract.span
        number, held = 0, None
        for frame in frames:
            self._advance(frame.seconds)
            stands_in = False
            start = first_place(self._place, self._interval)
            while held is not None and needed < start:
                yield Sample(needed, number, held)
                needed = self._after(needed)
                stands_in = number < self.frames - 2
            if needed < span or stands_in or first_place(self._place + self._interval, self._interval) > needed:
                number, held = self.frames - 1, frame.read()
        if held is None:
            return
        self.places = max(1, math.ceil(self._end()))
        while needed < self.places:
            yield Sample(needed, number, held)
            needed = self._after(needed)

    def _after(self, place: int) -> int:
        if place + 1 < self._contract.span:
            return place + 1
        return (place // self._contract.stride + 1) * self._contract.stride

    def _advance(self, seconds: float | None) -> None:
        timed = seconds is not None and self._contract.fps > 0
        place = seconds * self._contract.fps if seconds is not None and timed else float(self.frames)
        self._interval, self._place = place - self._place, place
        self.frames += 1
        if seconds is not None:
            self.end_seconds = seconds + (seconds / (self.frames - 1) if self.frames > 1 else 0.0)

    def _end(self) -> float:
        mean = self._place / (self.frames - 1) if self.frames > 1 else 1.0
        return first_place(self._place + mean, mean)
