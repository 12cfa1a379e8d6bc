"""When each frame of a video is shown, and which frame is on screen at the times that a clip is sampled at.

Header rates lie, phones drop frames, and cameras run at 15 to 240 frames/s. So clips are cut on a grid of the rate that
the model's stride counts at (`ClipContract.fps`): grid place `k` is the time `k / fps`, and its frame is the nearest.
At that very rate the grid places are the frames themselves.
"""

import math
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from action_recognition.video.clip_sampling import Indices

Floats = TypeVar("Floats", float, NDArray[np.float64])
# A frame counts for the grid places that it is nearest to. So it may be late for a place by half of the interval before
# it (a little less, so that rounded times do not decide between two frames at equal distance), but by no more than this
# share of the grid's step: after a pause, what was on screen counts.
HALF, MOST_LATE = 0.48, 0.65
LEAST_STEP_SECONDS = 1e-5  # frames that are closer together have the same time twice
# A longer pause between two frames is a jump of the container's clock.
MAX_GAP_SECONDS = 60.0
UNKNOWN_STEP_SECONDS = 1 / 25
# Frames that are off an even spacing by less than this share of it, or these seconds, are evenly spaced.
EVEN, EVEN_SECONDS = 0.1, 0.002


class FrameTimes:
    """Presentation times from what a container says: they begin at 0 and increase with every frame.

    Containers may state no times, the same time twice, begin again at 0 in the middle, or jump by years. A frame
    without a usable time follows the one before it at the rate so far.

    Args:
        fps: frames per second by the header, for frames without a time; 0.0 if it does not say.

    Attributes:
        count: frames so far.
        seconds: the time of the last one.
    """

    def __init__(self, fps: float) -> None:
        self.count = 0
        self.seconds = 0.0
        self._step = min(1 / fps, MAX_GAP_SECONDS) if 1e-3 < fps < 1 / LEAST_STEP_SECONDS else UNKNOWN_STEP_SECONDS
        self._first = self._stated = 0.0

    @property
    def interval(self) -> float:
        """Mean seconds between two frames so far."""
        return self.seconds / (self.count - 1) if self.count > 1 else self._step

    @property
    def end_seconds(self) -> float:
        """When the last frame has been shown for as long as the others were on average."""
        return self.seconds + self.interval if self.count else 0.0

    def add(self, stated: float) -> float:
        """The time of the next frame, which the container states to be shown at second `stated`."""
        if not math.isfinite(stated):
            stated = self._stated
        if self.count == 0:
            self._first = stated
        elif LEAST_STEP_SECONDS < stated - self._first - self.seconds <= MAX_GAP_SECONDS:
            self.seconds = stated - self._first
        elif LEAST_STEP_SECONDS < stated - self._stated <= MAX_GAP_SECONDS:  # the clock began again, and runs on
            self.seconds += stated - self._stated
        else:
            self.seconds += self.interval
        self._stated = stated
        self.count += 1
        return self.seconds


def even_rate(seconds_N: NDArray[np.float64], fps: float) -> float | None:
    """Frames per second if the frames are evenly spaced: the header's if that is true, else the measured rate."""
    count = len(seconds_N)
    if count < 2:
        return fps
    number_N = np.arange(count)
    for rate in (fps, (count - 1) / seconds_N[-1]):
        if rate > 0 and np.abs(seconds_N * rate - number_N).max() < max(EVEN, EVEN_SECONDS * rate):
            return float(rate)
    return None


def encode_times(seconds_N: NDArray[np.float64]) -> str:
    """Milliseconds from each frame to the next as text, for a manifest: `33 33 67`."""
    return " ".join(map(str, np.diff(np.rint(seconds_N * 1000).astype(np.int64)).tolist()))


def decode_times(text: str) -> NDArray[np.float64]:
    """`[N]` seconds from the text of `encode_times`; `ValueError` if it is none."""
    steps = [int(word) for word in text.split()]
    if any(step < 0 for step in steps):
        raise ValueError(f"times that run backwards: {text[:40]}")
    return np.concatenate([[0], np.cumsum(steps)]) / 1000


def first_place(place: Floats, interval: Floats) -> Floats:
    """The time on the grid from which on a frame counts that is shown at `place`, `interval` after the one before."""
    if isinstance(interval, np.ndarray):
        return place - np.minimum(HALF * interval, MOST_LATE)
    return place - min(HALF * interval, MOST_LATE)  # NumPy takes a microsecond more, for every frame


def frames_on_grid(seconds_N: NDArray[np.float64], *, fps: float) -> Indices:
    """`[M]` int64: the number of the frame that counts at each grid place `k / fps` of a video.

    Args:
        seconds_N: when each frame is shown; from 0, increasing.
        fps: grid places per second.
    """
    places_N = seconds_N * fps
    intervals_N = np.diff(places_N)
    mean = places_N[-1] / len(intervals_N) if len(intervals_N) else 1.0
    starts_N = first_place(places_N[1:], intervals_N)
    end = first_place(places_N[-1] + mean, mean)
    return np.searchsorted(starts_N, np.arange(max(1, math.ceil(end))), side="right")
