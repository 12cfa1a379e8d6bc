"""Windows of a camera or a stream, answered within a bounded time.

The age of an answer is the time from the arrival of its window's last frame. While the model keeps up with the input,
that is what the model takes. Where it does not, frames that wait are dropped in one piece after an answer, down to the
newest window, so that windows are whole and answers do not get older and older.
"""

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from action_recognition.contract import ClipContract
from action_recognition.errors import VideoError
from action_recognition.inference.inputs.live import LiveInput, Stretch
from action_recognition.inference.temporal.segments import Window
from action_recognition.video.frames import Frame, center_crop
from action_recognition.video.timed_frames import TimedFrame
from action_recognition.video.windows import CutWindow, WindowCutter

USUAL_FPS = 30.0
RUNS = 4  # whose longest tells how long the next may take

Classify = Callable[[Frame], NDArray[np.float64]]


class LiveWindow(NamedTuple):
    """`window` of the input, answered `latency_seconds` after its last frame arrived."""

    window: Window
    latency_seconds: float


def live_windows(
    live: LiveInput, contract: ClipContract, classify: Classify, *, overlap: float
) -> Iterator[LiveWindow]:
    """The windows of a live input as they come. No window holds frames from before and after a gap.

    Args:
        classify: probabilities `[B, K]` of clips `[B, C, T, H, W]`.
        overlap: fraction of a window that the next one repeats, from 0 to below 1.

    Raises:
        VideoError: if a lost connection could not be made again in time.
    """
    window_seconds = contract.frames * contract.stride / (contract.fps or live.metadata.fps or USUAL_FPS)
    hop_seconds = window_seconds * (1 - overlap)
    run_seconds: deque[float] = deque(maxlen=RUNS)
    for stretch in live.stretches():
        for cut, arrived in _cut(stretch, contract, overlap, live.origin):
            began = time.monotonic()
            expected_seconds = began - arrived + max(run_seconds, default=0.0)
            if stretch.has_ended and expected_seconds > live.settings.latency_seconds:
                break  # the rest of what was before a gap
            (probabilities_K,) = classify(cut.clip_CTHW[None])
            now = time.monotonic()
            window = Window(
                first_frame=stretch.first_number + cut.first_frame,
                end_frame=stretch.first_number + cut.end_frame,
                start_seconds=stretch.start_seconds + cut.start_seconds,
                end_seconds=stretch.start_seconds + cut.end_seconds,
                probabilities=probabilities_K,
                class_names=contract.class_names,
            )
            yield LiveWindow(window, now - arrived)
            run_seconds.append(time.monotonic() - began)
            spare_seconds = max(0.0, live.settings.latency_seconds - max(run_seconds))
            live.catch_up(oldest_seconds=hop_seconds + spare_seconds, keep_seconds=window_seconds)


def _cut(stretch: Stretch, contract: ClipContract, overlap: float, origin: str) -> Iterator[tuple[CutWindow, float]]:
    """The windows of a stretch, and when the last frame of each arrived."""
    arrivals: dict[int, float] = {}  # of the frames since the latest window's start, numbered within the stretch

    def squares() -> Iterator[TimedFrame]:
        for number, frame in enumerate(stretch):
            arrivals[number] = frame.arrived
            square = center_crop(frame.frame_HWC, contract.size).copy()
            yield TimedFrame(frame.seconds - stretch.start_seconds, lambda square=square: square)  # type: ignore[misc]

    cutter = WindowCutter(contract, overlap=overlap, origin=origin)
    with suppress(VideoError):  # raised by a stretch that is too short for a window
        for cut in cutter.cut(squares()):
            if stretch.has_ended and (stretch.has_drop or cutter.sampler.places < contract.span):
                return
            arrived = arrivals[min(cut.end_frame - 1, max(arrivals))]
            for number in [number for number in arrivals if number < cut.first_frame]:
                del arrivals[number]
            yield cut, arrived
