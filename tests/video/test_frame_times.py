"""Presentation times, and the frame that counts at each place of a grid, against PyAV and brute force."""

from pathlib import Path

import av
import numpy as np
import pytest
from helpers.video_makers import write_at
from hypothesis import given
from hypothesis import strategies as st

from action_recognition.video.decoder import VideoFile
from action_recognition.video.frame_times import (
    HALF,
    MAX_GAP_SECONDS,
    MOST_LATE,
    FrameTimes,
    decode_times,
    encode_times,
    even_rate,
    frames_on_grid,
)


def repaired(stated: list[float], *, fps: float = 10.0) -> list[float]:
    times = FrameTimes(fps)
    return [round(times.add(second), 6) for second in stated]


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        ([0.0, 0.1, 0.2], [0.0, 0.1, 0.2]),
        ([5.0, 5.1, 5.4], [0.0, 0.1, 0.4]),
        ([0.0, 0.0, 0.0], [0.0, 0.1, 0.2]),
        ([0.0, 0.1, float("nan"), 0.3], [0.0, 0.1, 0.2, 0.3]),
        ([0.2, 0.3, 0.4, 0.0], [0.0, 0.1, 0.2, 0.3]),
        ([3.0, 3.1, 0.0, 0.1, 0.3], [0.0, 0.1, 0.2, 0.3, 0.5]),
        ([0.0, 0.1, 1e9, 1e9 + 0.1], [0.0, 0.1, 0.2, 0.3]),
        ([0.0, 40.0], [0.0, 40.0]),
    ],
    ids=["even", "begins late", "none", "nan", "last at zero", "begins again", "jump", "pause"],
)
def test_times_begin_at_zero_and_increase(stated: list[float], expected: list[float]) -> None:
    assert repaired(stated) == expected


@given(st.lists(st.floats(width=64), max_size=60), st.floats(width=64))
def test_no_container_makes_time_stand_still_or_run_away(stated: list[float], fps: float) -> None:
    times = FrameTimes(fps)
    found = [times.add(second) for second in stated]
    assert (np.diff(found) > 0).all()
    assert not found or (found[0] == 0 and found[-1] <= MAX_GAP_SECONDS * max(1, len(found)) * 1.0001)


@given(
    st.lists(st.floats(0.001, 0.3), min_size=1, max_size=40),
    st.sampled_from([5.0, 24.0, 25.0, 30000 / 1001, 30.0, 60.0]),
)
def test_the_frame_of_each_place_by_brute_force(intervals: list[float], fps: float) -> None:
    seconds_N = np.concatenate([[0.0], np.cumsum(intervals)])
    found = frames_on_grid(seconds_N, fps=fps)
    late = [min(HALF * interval * fps, MOST_LATE) for interval in intervals]
    for place, number in enumerate(found):
        taken = [frame for frame in range(1, len(seconds_N)) if seconds_N[frame] * fps - late[frame - 1] <= place]
        assert number == max(taken, default=0)
    mean = np.mean(intervals) * fps
    assert len(found) == max(1, int(np.ceil(seconds_N[-1] * fps + mean - min(HALF * mean, MOST_LATE))))


@pytest.mark.parametrize("rate", [20.0, 24.0, 25.0, 30.0, 48.0, 50.0, 60.0, 120.0])
def test_the_frame_of_a_place_is_the_nearest(rate: float) -> None:
    places_N = np.arange(200) / rate * 30.0
    for place, number in enumerate(frames_on_grid(places_N / 30.0, fps=30.0)[:-1]):
        distances = np.abs(places_N - place)
        assert distances[number] <= distances.min() + 1e-9


@pytest.mark.parametrize("fps", [15.0, 24.0, 30000 / 1001, 30.0, 60.0])
def test_at_its_own_rate_each_frame_is_its_own_place(fps: float) -> None:
    """Also where the container rounds times to milliseconds."""
    seconds_N = np.round(np.arange(500) / fps, 3)
    assert frames_on_grid(seconds_N, fps=fps).tolist() == list(range(500))


@pytest.mark.parametrize(("rate", "expected"), [(60.0, 2.0), (15.0, 0.5), (120.0, 4.0)])
def test_other_rates_show_the_same_moments(rate: float, expected: float) -> None:
    found = frames_on_grid(np.arange(240) / rate, fps=30.0)
    np.testing.assert_array_equal(found, np.floor(np.arange(len(found)) * expected))
    assert len(found) == 240 / expected


def test_evenly_spaced_frames_have_a_rate() -> None:
    seconds_N = np.arange(50) / 25
    assert even_rate(seconds_N, 25.0) == 25.0
    assert even_rate(seconds_N, 90_000.0) == pytest.approx(25.0)
    assert even_rate(np.delete(seconds_N, [10, 20]), 25.0) is None


@given(st.lists(st.integers(1, 10_000), min_size=1, max_size=50))
def test_text_of_times_brings_them_back_to_the_millisecond(steps: list[int]) -> None:
    seconds_N = np.concatenate([[0.0], np.cumsum(steps)]) / 1000
    np.testing.assert_allclose(decode_times(encode_times(seconds_N)), seconds_N, atol=1e-9)


@pytest.mark.parametrize("text", ["33 -1", "x", "33.5"])
def test_other_text_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"backwards|invalid literal"):
        decode_times(text)


def presented(path: Path) -> list[float]:
    """The times that PyAV gives, from 0."""
    with av.open(str(path)) as container:
        times = [frame.time for frame in container.decode(video=0)]
    return [time - times[0] for time in times]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov", ".ts", ".webm"])
@pytest.mark.parametrize("start", [0, 1400])
def test_unevenly_spaced_frames_as_another_decoder_has_them(tmp_path: Path, suffix: str, start: int) -> None:
    """With B-frames, which are decoded in another order than shown."""
    ticks = [start + tick for tick in (0, 33, 67, 100, 133, 300, 333, 400, 417, 433, 450, 900, 933, 967, 1000, 1033)]
    path = write_at(tmp_path / f"a{suffix}", ticks, codec="libvpx" if suffix == ".webm" else "libx264")
    with_video = VideoFile(path)
    found = [frame.seconds for frame in with_video.timed()]
    np.testing.assert_allclose(found, presented(path), atol=0.002)
    about = with_video.probe()
    with_video.close()
    np.testing.assert_allclose(decode_times(about.frame_ms), found, atol=0.001)


def test_real_videos_as_another_decoder_has_them(shared_dir: Path) -> None:
    """AVI has no presentation times: its frames are counted, and left-out ones leave a pause."""
    for path in sorted((shared_dir / "videos").glob("*.mp4")):
        video = VideoFile(path)
        np.testing.assert_allclose([frame.seconds for frame in video.timed()], presented(path), atol=0.001)
        assert video.probe().frame_ms == ""
        video.close()
    for path in sorted((shared_dir / "videos").glob("*_wave_*.avi")):  # decoded a frame late
        video = VideoFile(path)
        about = video.probe()
        assert (about.fps, about.frame_ms) == (30.0, "")
        video.close()
    clip = next(iter(sorted((shared_dir / "hmdb51_sample" / "videos" / "wave").glob("*.avi"))))
    video = VideoFile(clip)
    np.testing.assert_allclose([frame.seconds for frame in video.timed()], presented(clip), atol=0.001)
    assert video.probe().frame_ms.startswith("33 34 66 34") or "67" in video.probe().frame_ms
    video.close()
