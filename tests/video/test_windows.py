"""Windows cut from a stream against a brute-force cut of the whole video."""

import weakref
from collections.abc import Iterator
from functools import partial

import numpy as np
import pytest
from helpers.tiny_models import tiny_contract
from helpers.window_starts import window_starts

from action_recognition.errors import VideoError
from action_recognition.video.timed_frames import TimedFrame
from action_recognition.video.windows import CutWindow, WindowCutter


def numbered_frames(count: int) -> Iterator[TimedFrame]:
    """Frame `i` holds the value `i` everywhere, and has no time."""
    return (TimedFrame(None, partial(np.full, (2, 2, 3), number, dtype=np.uint8)) for number in range(count))


def cut(count: int, *, overlap: float = 0.0, **changes: object) -> list[CutWindow]:
    return list(WindowCutter(tiny_contract(**changes), overlap=overlap, origin="video").cut(numbered_frames(count)))


@pytest.mark.parametrize("overlap", [0.0, 0.3, 0.5, 0.75, 0.99])
@pytest.mark.parametrize(("frames", "stride"), [(4, 2), (1, 1), (5, 1), (2, 6)])
def test_windows_are_those_of_the_whole_video(frames: int, stride: int, overlap: float) -> None:
    span = (frames - 1) * stride + 1
    for count in range(max(2, span), 4 * span + 3):
        windows = cut(count, overlap=overlap, frames=frames, stride=stride)
        starts = window_starts(count, frames=frames, stride=stride, overlap=overlap)
        assert [window.first_frame for window in windows] == starts.tolist()
        assert [window.end_frame for window in windows] == np.minimum(starts + frames * stride, count).tolist()
        for window, start in zip(windows, starts, strict=True):
            assert window.clip_CTHW.shape == (3, frames, 2, 2)
            assert window.clip_CTHW[0, :, 0, 0].tolist() == [start + stride * step for step in range(frames)]


@pytest.mark.parametrize("overlap", [0.0, 0.25, 0.9])
def test_every_frame_is_covered_and_no_window_reaches_past_the_end(overlap: float) -> None:
    for count in range(2, 30):
        windows = cut(count, overlap=overlap)
        assert {frame for w in windows for frame in range(w.first_frame, w.end_frame)} == set(range(count))
        assert (np.diff([window.first_frame for window in windows]) > 0).all()


@pytest.mark.parametrize(
    ("policy", "expected"), [("repeat_last", [0, 2, 4, 4]), ("wrap", [0, 2, 4, 1])], ids=["repeat_last", "wrap"]
)
def test_short_video_by_policy(policy: str, expected: list[int]) -> None:
    (window,) = cut(5, short_clip=policy)
    assert (window.first_frame, window.end_frame) == (0, 5)
    assert window.clip_CTHW[0, :, 0, 0].tolist() == expected


def test_policy_error_names_the_video() -> None:
    with pytest.raises(VideoError, match=r"^video: 5 frames are too few"):
        cut(5, short_clip="error")
    assert len(cut(7, short_clip="error")) == 1


@pytest.mark.parametrize(("count", "counted"), [(0, "0 frames"), (1, "1 frame")])
def test_too_few_frames_to_show_motion(count: int, counted: str) -> None:
    with pytest.raises(VideoError, match=f"^video: {counted}, expected at least 2$"):
        cut(count)


def test_no_more_than_a_window_of_frames_is_held() -> None:
    alive: weakref.WeakSet[np.ndarray] = weakref.WeakSet()

    class Watched(np.ndarray):
        __hash__ = object.__hash__  # type: ignore[assignment]
        __eq__ = object.__eq__  # type: ignore[assignment]

    def watched(number: int) -> np.ndarray:
        frame = np.full((2, 2, 3), number % 256, dtype=np.uint8).view(Watched)
        alive.add(frame)
        return frame

    def frames() -> Iterator[TimedFrame]:
        return (TimedFrame(None, partial(watched, number)) for number in range(500))

    most = 0
    for _ in WindowCutter(tiny_contract(), overlap=0.5, origin="video").cut(frames()):
        most = max(most, len(alive))
    # The first window is held frame by frame, for videos that end in it.
    assert tiny_contract().frames <= most <= tiny_contract().span + 1
