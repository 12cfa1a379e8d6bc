"""Clips for a model from a stream of frames: each window is cut when the frame after its last one arrives."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from action_recognition.contract import ClipContract
from action_recognition.errors import VideoError
from action_recognition.video.clip_sampling import apply_short_clip_policy, clip_at
from action_recognition.video.frames import Frame
from action_recognition.video.timed_frames import FrameSampler, Sample, TimedFrame


class CutWindow(NamedTuple):
    """`clip_CTHW`, uint8, of the frames of `origin` from `first_frame` up to `end_frame`, and their times."""

    origin: str
    first_frame: int
    end_frame: int
    start_seconds: float
    end_seconds: float
    clip_CTHW: Frame


class WindowCutter:
    """Cuts the windows that cover a whole video, without knowing how long it is.

    A window has `contract.frames` frames, sampled by time (`video.frame_times`), and lasts `frames * stride` places of
    that grid. Windows follow each other with the given overlap. The last one is moved back to end with the video, so
    that all of it is covered and no window needs padding; a video shorter than a clip's span has one window. Only one
    window of frames is held, however long the video is.

    Args:
        overlap: fraction of a window that the next one repeats, from 0 to below 1.
        origin: the video, for messages.

    Attributes:
        origin: as given.
        sampler: the number of frames so far, and their times.
    """

    def __init__(self, contract: ClipContract, *, overlap: float, origin: str) -> None:
        self.contract = contract
        self.sampler = FrameSampler(contract)
        self.origin = origin
        self._hop = max(1, round(contract.frames * (1 - overlap)))

    def cut(self, frames: Iterable[TimedFrame]) -> Iterator[CutWindow]:
        """Cut windows from frames `[H, W, C]`, each `size` pixels square.

        Raises:
            VideoError: if there are fewer than `contract.min_frames`, or than a window under the policy `error`.
        """
        contract, sampler = self.contract, self.sampler
        latest: deque[Sample] = deque(maxlen=contract.frames)
        start: list[Sample] = []  # all places of the first window
        whole: list[Sample] = []  # a window that waits for the next sample, or the end: they tell when it ends
        samples, next_start = 0, 0
        for sample in sampler.sample(frames):
            if sample.place < contract.span:
                start.append(sample)
            if sample.place % contract.stride:
                continue
            if whole:
                yield self._window(whole)
                whole.clear()
            latest.append(sample)
            samples += 1
            if samples == next_start + contract.frames:
                start.clear()
                whole.extend(latest)
                next_start += self._hop
        if whole:
            yield self._window(whole)
        if sampler.frames < contract.min_frames:
            counted = "1 frame" if sampler.frames == 1 else f"{sampler.frames} frames"
            raise VideoError(f"{self.origin}: {counted}, expected at least {contract.min_frames}")
        if start:
            yield self._only_window(start)
        elif next_start - self._hop + contract.frames < samples:
            yield self._window(latest)

    def _window(self, samples: Sequence[Sample]) -> CutWindow:
        first, last, stride = samples[0], samples[-1], self.contract.stride
        seconds_at, ended = self.sampler.seconds_at, self.sampler.places
        rate = last.number / last.place if last.place else 1.0
        end_frame = last.number + max(1, round(stride * rate))
        end_place = last.place + stride
        if ended:
            end_frame, end_place = min(end_frame, self.sampler.frames), min(end_place, ended)
        end_seconds = self.sampler.end_seconds if ended and end_place == ended else seconds_at(end_place)
        clip = self._clip([sample.frame_HWC for sample in samples])
        return CutWindow(self.origin, first.number, end_frame, seconds_at(first.place), end_seconds, clip)

    def _only_window(self, samples: Sequence[Sample]) -> CutWindow:
        """The window of a video that ends before its first window does."""
        contract, places = self.contract, self.sampler.places
        indices_T = clip_at(0, frames=contract.frames, stride=contract.stride)
        try:
            indices_T = apply_short_clip_policy(indices_T, num_frames=places, policy=contract.short_clip)
        except VideoError as error:
            raise VideoError(f"{self.origin}: {error}") from None
        clip = self._clip([samples[index].frame_HWC for index in indices_T])
        return CutWindow(self.origin, 0, self.sampler.frames, 0.0, self.sampler.end_seconds, clip)

    def _clip(self, frames: Sequence[Frame]) -> Frame:
        return np.ascontiguousarray(np.stack(frames).transpose(3, 0, 1, 2))
