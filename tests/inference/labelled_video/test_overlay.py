"""Labelled videos, read back: frames, sizes, colours where they belong."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from helpers.predictions import prediction_of
from helpers.sound_makers import heard, read_tracks, turn, write_with_sound
from helpers.support import moving_square, write_video
from helpers.tiny_models import file_size_limit, names_in

from action_recognition.errors import UserError, VideoError
from action_recognition.inference.labelled_video.overlay import write_labelled_video
from action_recognition.inference.temporal.colors import label_color

GREY = 90


def grey_video(path: Path, *, frames: int = 12, height: int = 240, width: int = 320) -> Path:
    return write_video(path, np.full((frames, height, width, 3), GREY, dtype=np.uint8))


def read_video(path: Path) -> np.ndarray:
    capture = cv2.VideoCapture(str(path))
    frames = []
    while (read := capture.read())[0]:
        frames.append(cv2.cvtColor(read[1], cv2.COLOR_BGR2RGB))
    capture.release()
    return np.stack(frames)


def read_back(path: Path) -> np.ndarray:
    assert cv2.VideoCapture(str(path)).get(cv2.CAP_PROP_FPS) == pytest.approx(30)
    return read_video(path)


def test_bars_segment_timeline_and_cursor(tmp_path: Path) -> None:
    source = grey_video(tmp_path / "a.avi")
    path = tmp_path / "new" / "a.mp4"
    write_labelled_video(prediction_of([(0, 6), (6, 12)], [0, 2], frames=12), source, path)
    assert names_in(path.parent) == ["a.mp4"]
    frames_THWC = read_back(path).astype(int)
    assert frames_THWC.shape == (12, 240, 320, 3)
    # Below it the picture is as it was.
    assert np.abs(frames_THWC[:, 120:] - GREY).max() < 12
    for number, label in ((1, 0), (10, 2)):
        frame = frames_THWC[number]
        bar = frame[40:44, 192:260].mean(axis=(0, 1))
        assert np.abs(bar - label_color(label)).max() < 50, "of the likeliest class"
        assert frame[28:38, 186:300].max() > 200, "white text"
        assert frame[22:38, 20:70].max() > 200, "the segment's name"
        assert np.abs(frame[60:, 20:140] - GREY).max() < 12
        _, columns = np.nonzero(frame[5:15, :].min(axis=2) > 200)
        assert columns.mean() == pytest.approx(8 + number / 12 * 304, abs=4), "the cursor"
        # What is over is brighter than what is to come, and both have the colour of their segment.
        for column, of in ((60, 0), (240, 2)):
            shown = frame[9, column] / frame[9, column].max()
            assert np.abs(shown - np.array(label_color(of)) / 242).max() < 0.25
    assert frames_THWC[10, 9, 60].max() > 1.5 * frames_THWC[1, 9, 60].max()


def test_frames_keep_their_times_and_the_sound(tmp_path: Path) -> None:
    seconds = [float(step) for step in np.cumsum(np.random.default_rng(0).choice([20, 33, 100], size=40)) / 1000]
    source = write_with_sound(tmp_path / "a.mp4", moving_square(40), seconds=seconds, pieces=((0.5, 1.5),))
    fps = 40 / (seconds[-1] - seconds[0])
    write_labelled_video(prediction_of([(0, 40)], [0], frames=40, fps=fps), source, tmp_path / "b.mp4")
    before, after = read_tracks(source), read_tracks(tmp_path / "b.mp4")
    np.testing.assert_allclose(after.frame_seconds, before.frame_seconds - before.frame_seconds[0], atol=1e-4)
    assert heard(after) == pytest.approx(np.array(heard(before)) - before.frame_seconds[0], abs=0.03)


def test_a_turned_video_comes_upright_with_its_sound(tmp_path: Path) -> None:
    source = write_with_sound(tmp_path / "a.mp4", moving_square(30, height=320, width=480))
    turn(source)
    write_labelled_video(prediction_of([(0, 30)], [0], frames=30), source, tmp_path / "b.mp4")
    assert cv2.VideoCapture(str(tmp_path / "b.mp4")).read()[1].shape == (480, 320, 3)
    assert read_tracks(tmp_path / "b.mp4").codec == "aac"


@pytest.mark.parametrize("bits", [8, 16])
def test_depth_is_shown_on_one_scale(tmp_path: Path, bits: int) -> None:
    """A ramp from near to far that is twice as far in the second half."""
    near, far = (40, 60) if bits == 8 else (4000, 6000)
    folder = tmp_path / "depth"
    folder.mkdir()
    for number in range(10):
        row = np.linspace(near, far, 320) * (2 if number >= 5 else 1)
        depth_HW = np.repeat(row[None], 240, axis=0).astype(np.uint8 if bits == 8 else np.uint16)
        depth_HW[:, 300:] = 0
        cv2.imwrite(str(folder / f"T{number}.png"), depth_HW)
    write_labelled_video(prediction_of([(0, 10)], [0], frames=10, fps=0), folder, tmp_path / "a.mp4")
    tracks = read_tracks(tmp_path / "a.mp4")
    np.testing.assert_allclose(tracks.frame_seconds, np.arange(10) / 25, atol=1e-4)
    frames_THWC = read_video(tmp_path / "a.mp4").astype(int)
    middle = frames_THWC[:, 150, :, 0]
    assert (middle[:, 305:] < 12).all(), "nothing was measured here"
    assert middle[0, 10] < 20
    assert middle[9, 280] > 235
    assert np.ptp(middle[:5, 150]) < 6
    assert 150 > middle[9, 20] > middle[0, 280], "one scale for all frames"


def test_colour_images_stay_as_they_are(tmp_path: Path) -> None:
    folder = tmp_path / "frames"
    folder.mkdir()
    for number in range(4):
        cv2.imwrite(str(folder / f"{number}.png"), np.full((240, 320, 3), (30, 90, 200), dtype=np.uint8))
    write_labelled_video(prediction_of([(0, 4)], [0], frames=4, fps=0), folder, tmp_path / "a.mp4")
    assert np.abs(read_video(tmp_path / "a.mp4")[:, 150].astype(int) - (200, 90, 30)).max() < 15


@pytest.mark.parametrize(
    ("size", "expected"), [((32, 32), (240, 240)), ((97, 55), (424, 240)), ((241, 333), (240, 332))], ids=str
)
def test_small_and_odd_sizes(tmp_path: Path, size: tuple[int, int], expected: tuple[int, int]) -> None:
    source = grey_video(tmp_path / "a.avi", frames=3, height=size[0], width=size[1])
    write_labelled_video(prediction_of([(0, 3)], [3], frames=3), source, tmp_path / "a.mp4")
    frames_THWC = read_back(tmp_path / "a.mp4")
    assert frames_THWC.shape[0] == 3
    assert all(abs(found - wanted) <= 2 for found, wanted in zip(frames_THWC.shape[1:3], expected, strict=True))
    assert all(side % 2 == 0 for side in frames_THWC.shape[1:3])


def test_full_disk_leaves_the_older_video(tmp_path: Path) -> None:
    source = grey_video(tmp_path / "a.avi", frames=60)
    path = tmp_path / "a.mp4"
    path.write_bytes(b"older")
    with pytest.raises(UserError, match=r"a\.mp4: .*could (not )?be written") as raised, file_size_limit(4096):
        write_labelled_video(prediction_of([(0, 60)], [0], frames=60), source, path)
    assert "\n" not in str(raised.value)
    assert path.read_bytes() == b"older"
    assert names_in(tmp_path) == ["a.avi", "a.mp4"]


def test_source_that_is_no_video(tmp_path: Path) -> None:
    (tmp_path / "a.avi").write_text("text")
    with pytest.raises(VideoError, match=r"a\.avi"):
        write_labelled_video(prediction_of([(0, 3)], [0], frames=3), tmp_path / "a.avi", tmp_path / "a.mp4")
    assert names_in(tmp_path) == ["a.avi"]
