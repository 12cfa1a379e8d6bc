"""Frames taken from a stream by time, against the same choice made with all times at hand."""

from functools import partial

import numpy as np
import pytest
from helpers.tiny_models import tiny_contract
from hypothesis import given
from hypothesis import strategies as st

from action_recognition.video.frame_times import frames_on_grid
from action_recognition.video.timed_frames import FrameSampler, Sample, TimedFrame


def numbered(number: int, read: list[int]) -> np.ndarray:
    read.append(number)
    return np.full((2, 2, 3), number % 256, dtype=np.uint8)


def sampled(seconds_N: np.ndarray | list[None], **changes: object) -> tuple[list[Sample], FrameSampler, list[int]]:
    """The samples of a stream, and the numbers of the frames that were converted."""
    sampler, read = FrameSampler(tiny_contract(**changes)), []
    frames = (
        TimedFrame(None if seconds is None else float(seconds), partial(numbered, number, read))
        for number, seconds in enumerate(seconds_N)
    )
    return list(sampler.sample(frames)), sampler, read


@pytest.mark.parametrize("rate", [7.5, 15.0, 24.0, 25.0, 30000 / 1001, 30.0, 50.0, 60.0, 120.0, 240.0])
@pytest.mark.parametrize(("frames", "stride"), [(4, 2), (1, 1), (8, 1), (3, 5)])
def test_evenly_spaced_frames_are_those_of_the_grid(rate: float, frames: int, stride: int) -> None:
    seconds_N = np.round(np.arange(int(3 * rate)) / rate, 4)
    samples, sampler, read = sampled(seconds_N, frames=frames, stride=stride, fps=30.0)
    grid_M = frames_on_grid(seconds_N, fps=30.0)
    span = (frames - 1) * stride + 1
    assert [sample.place for sample in samples] == [k for k in range(len(grid_M)) if k < span or k % stride == 0]
    assert [sample.number for sample in samples] == [grid_M[sample.place] for sample in samples]
    assert all(sample.frame_HWC[0, 0, 0] == sample.number % 256 for sample in samples)
    assert (sampler.frames, sampler.places) == (len(seconds_N), len(grid_M))
    assert sampler.end_seconds == pytest.approx(3.0, abs=0.1)
    # A frame that no clip shows costs no conversion.
    assert rate < 60 or len(read) <= max(len(samples), len(samples) + rate / 30 * span - span) + 1


@given(st.lists(st.floats(0.001, 0.2), min_size=1, max_size=60), st.sampled_from([(4, 2), (2, 1), (3, 4)]))
def test_unevenly_spaced_frames_are_off_by_no_more_than_the_stride_and_an_interval(
    intervals: list[float], shape: tuple[int, int]
) -> None:
    seconds_N = np.concatenate([[0.0], np.cumsum(intervals)])
    samples, _, _ = sampled(seconds_N, frames=shape[0], stride=shape[1], fps=30.0)
    grid_M = frames_on_grid(seconds_N, fps=30.0)
    for sample in samples:
        right = grid_M[sample.place]
        assert sample.number <= right
        assert (seconds_N[right] - seconds_N[sample.number]) * 30 < shape[1] + 1 + 30 * max(intervals)
    numbers = [sample.number for sample in samples]
    assert numbers == sorted(numbers)


@pytest.mark.parametrize("fps", [0.0, 30.0])
def test_without_times_every_frame_is_a_place(fps: float) -> None:
    samples, sampler, _ = sampled([None] * 20, frames=4, stride=2, fps=fps)
    assert [sample.number for sample in samples] == [*range(7), *range(8, 20, 2)]
    assert (sampler.places, sampler.end_seconds, sampler.fps, sampler.seconds_at(8)) == (20, 0.0, 0.0, 0.0)


def test_a_contract_without_rate_counts_frames_of_any_rate() -> None:
    samples, sampler, _ = sampled(np.arange(20) / 50, frames=4, stride=2, fps=0.0)
    assert [sample.number for sample in samples] == [*range(7), *range(8, 20, 2)]
    assert (sampler.fps, sampler.seconds_at(8)) == (pytest.approx(50.0), pytest.approx(0.16))


@pytest.mark.parametrize("count", [0, 1, 2])
def test_few_frames(count: int) -> None:
    samples, sampler, _ = sampled(np.arange(count) / 30, frames=4, stride=2, fps=30.0)
    assert ([sample.number for sample in samples], sampler.frames) == (list(range(count)), count)


def test_a_pause_holds_the_picture() -> None:
    samples, _, _ = sampled(np.array([0, 1, 2, 3, 33, 34, 35]) / 30, frames=2, stride=1, fps=30.0)
    assert [sample.number for sample in samples] == [0, 1, 2, *[3] * 30, 4, 5, *[6] * 6]
