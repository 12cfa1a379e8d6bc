"""Written videos are what browsers play, as FFmpeg's own reader and OpenCV see them."""

from collections.abc import Sequence
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from helpers.clips import probe, read_all
from helpers.support import moving_square
from helpers.tiny_models import file_size_limit

from action_recognition.inference.labelled_video import video_writer
from action_recognition.inference.labelled_video.video_writer import VideoWriter, available_encoder

FRAMES = moving_square(40)


def write(path: Path, *, fps: float = 30.0, seconds: Sequence[float] | None = None) -> Path:
    with VideoWriter(path, fps=fps, width=64, height=48) as writer:
        for number, frame_HWC in enumerate(FRAMES):
            writer.write(frame_HWC, seconds[number] if seconds else None)
    return path


def times_in(path: Path) -> tuple[list[float], float]:
    """Times of all frames, and the length of the file."""
    with av.open(str(path)) as container:
        seconds = [float(frame.pts * frame.time_base) for frame in container.decode(video=0)]
        return seconds, float(container.streams.video[0].duration * container.streams.video[0].time_base)


@pytest.mark.parametrize("name", ["a.mp4", "12:30 %d.mp4", "na\udcefve.mp4"])
def test_browsers_play_it(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / name)
    with av.open(f"file:{path}") as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.pix_fmt, stream.frames) == ("h264", "yuv420p", len(FRAMES))
        assert not container.streams.audio
    content = path.read_bytes()
    assert 0 < content.index(b"moov") < content.index(b"mdat"), "it has to play before all of it is there"


def test_frames_come_back_in_their_colours(tmp_path: Path) -> None:
    found = read_all(write(tmp_path / "a.mp4")).astype(int)
    assert found.shape == FRAMES.shape
    is_square = FRAMES[..., 0] > 200
    assert np.abs(np.median(found[is_square], axis=0) - (230, 200, 40)).max() < 15
    assert found[~is_square].mean() < 45


@pytest.mark.parametrize("fps", [0.5, 7.5, 14.985, 24000 / 1001, 29.97, 30.0, 59.94, 119.88, 1000.0, 90_000.0])
def test_odd_frame_rates_stay(tmp_path: Path, fps: float) -> None:
    capture = cv2.VideoCapture(str(write(tmp_path / "a.mp4", fps=fps)))
    assert capture.get(cv2.CAP_PROP_FPS) == pytest.approx(min(fps, 60_000), rel=1e-3)
    capture.release()
    seconds, length = times_in(tmp_path / "a.mp4")
    assert seconds == pytest.approx([number / min(fps, 60_000) for number in range(len(FRAMES))], abs=1e-5)
    assert length == pytest.approx(len(FRAMES) / min(fps, 60_000), abs=2e-5)


def test_uneven_times_stay(tmp_path: Path) -> None:
    steps = np.random.default_rng(0).choice([1, 33, 34, 40, 500], size=len(FRAMES))
    seconds = [float(step) for step in np.cumsum(steps) / 1000 - steps[0] / 1000]
    found, length = times_in(write(tmp_path / "a.mp4", fps=8.0, seconds=seconds))
    assert found == pytest.approx(seconds, abs=1e-5)
    assert length == pytest.approx(seconds[-1] + 1 / 8, abs=1e-3), "the last frame is shown for as long as the others"


def test_frames_at_the_same_time_stay_in_order(tmp_path: Path) -> None:
    found, _ = times_in(write(tmp_path / "a.mp4", seconds=[0.0] * len(FRAMES)))
    assert len(found) == len(FRAMES)
    assert found == sorted(set(found))


def test_without_h264_it_is_mpeg4(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(video_writer, "ENCODERS", ("libnone", "mpeg4"))
    assert available_encoder() == "mpeg4"
    assert probe(write(tmp_path / "a.mp4", fps=59.94)).frames == len(FRAMES)


def test_a_full_disk_is_an_error(tmp_path: Path) -> None:
    with pytest.raises((OSError, av.FFmpegError)), file_size_limit(1024):
        write(tmp_path / "a.mp4")
