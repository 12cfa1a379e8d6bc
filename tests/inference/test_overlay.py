"""Labelled videos, read back: frames, sizes, colours where they belong."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from helpers.support import write_video
from helpers.tiny_models import file_size_limit, names_in

from action_recognition.errors import UserError, VideoError
from action_recognition.inference.colors import label_color
from action_recognition.inference.overlay import nearest_windows, write_labelled_video
from action_recognition.inference.prediction import Prediction
from action_recognition.inference.segments import Window

GREY = 90


def grey_video(path: Path, *, frames: int = 12, height: int = 240, width: int = 320) -> Path:
    return write_video(path, np.full((frames, height, width, 3), GREY, dtype=np.uint8))


def prediction(spans: list[tuple[int, int]], best: list[int], *, frames: int, fps: float = 30.0) -> Prediction:
    names = ("walk", "run", "wave", "a label much longer than any video is wide, to be cut short")
    windows = [
        Window(
            first_frame=first,
            end_frame=end,
            start_seconds=first / 30,
            end_seconds=end / 30,
            probabilities=np.where(np.arange(len(names)) == label, 0.7, 0.1),
        )
        for (first, end), label in zip(spans, best, strict=True)
    ]
    mean = np.mean([window.probabilities for window in windows], axis=0)
    return Prediction(
        input="x",
        frames=frames,
        fps=fps,
        duration_seconds=frames / 30,
        windows=tuple(windows),
        probabilities=mean,
        class_names=names,
    )


def read_back(path: Path) -> np.ndarray:
    capture = cv2.VideoCapture(str(path))
    frames = []
    while (read := capture.read())[0]:
        frames.append(cv2.cvtColor(read[1], cv2.COLOR_BGR2RGB))
    assert capture.get(cv2.CAP_PROP_FPS) == pytest.approx(30)
    capture.release()
    return np.stack(frames)


def test_labels_timeline_and_cursor(tmp_path: Path) -> None:
    source = grey_video(tmp_path / "a.avi")
    path = tmp_path / "new" / "a.mp4"
    write_labelled_video(prediction([(0, 6), (6, 12)], [0, 2], frames=12), source, path)
    assert names_in(path.parent) == ["a.mp4"]
    frames_THWC = read_back(path).astype(int)
    assert frames_THWC.shape == (12, 240, 320, 3)
    # Between panel and timeline the picture is as it was.
    assert np.abs(frames_THWC[:, 60:200] - GREY).max() < 12
    for number, label in ((1, 0), (10, 2)):
        frame = frames_THWC[number]
        # The timeline holds both labels' colours whatever the frame; the chip beside the text has the moment's.
        for column, of in ((80, 0), (240, 2)):
            assert np.abs(frame[-4, column] - label_color(of)).max() < 40
        chip = frame[9:15, 10:14].mean(axis=(0, 1))
        assert np.abs(chip - label_color(label)).max() < 40
        cursor = round((number + 0.5) * 320 / 12)
        assert frame[-4, cursor].min() > 200
        assert frame[2, 40:80].max() < GREY / 2, "the panel is darkened"
        assert frame[4:22, 24:110].max() > 230, "white text"


def test_frame_belongs_to_the_nearest_window() -> None:
    # The last window is moved back and overlaps the one before.
    spans = [(0, 7), (7, 14), (14, 21), (18, 25)]
    found = nearest_windows(prediction(spans, [0, 1, 2, 0], frames=25))
    middles = [(first + end - 1) / 2 for first, end in spans]
    for frame in range(25):
        distances = [abs(frame - middle) for middle in middles]
        assert distances[found[frame]] == min(distances)
    assert len(found) == 25


@pytest.mark.parametrize(
    ("size", "expected"), [((32, 32), (240, 240)), ((97, 55), (424, 240)), ((241, 333), (240, 332))], ids=str
)
def test_small_and_odd_sizes(tmp_path: Path, size: tuple[int, int], expected: tuple[int, int]) -> None:
    source = grey_video(tmp_path / "a.avi", frames=3, height=size[0], width=size[1])
    write_labelled_video(prediction([(0, 3)], [3], frames=3), source, tmp_path / "a.mp4")
    frames_THWC = read_back(tmp_path / "a.mp4")
    assert frames_THWC.shape[0] == 3
    assert all(abs(found - wanted) <= 2 for found, wanted in zip(frames_THWC.shape[1:3], expected, strict=True))
    assert all(side % 2 == 0 for side in frames_THWC.shape[1:3])


def test_full_disk_leaves_the_older_video(tmp_path: Path) -> None:
    source = grey_video(tmp_path / "a.avi", frames=60)
    path = tmp_path / "a.mp4"
    path.write_bytes(b"older")
    with pytest.raises(UserError, match=r"a\.mp4: .*could (not )?be written") as raised, file_size_limit(4096):
        write_labelled_video(prediction([(0, 60)], [0], frames=60), source, path)
    assert "\n" not in str(raised.value)
    assert path.read_bytes() == b"older"
    assert names_in(tmp_path) == ["a.avi", "a.mp4"]


def test_source_that_is_no_video(tmp_path: Path) -> None:
    (tmp_path / "a.avi").write_text("text")
    with pytest.raises(VideoError, match=r"a\.avi"):
        write_labelled_video(prediction([(0, 3)], [0], frames=3), tmp_path / "a.avi", tmp_path / "a.mp4")
    assert names_in(tmp_path) == ["a.avi"]


def test_neighbouring_labels_look_different() -> None:
    colours = np.array([label_color(label) for label in range(51)])
    distances = np.abs(colours[1:] - colours[:-1]).max(axis=1)
    assert distances.min() > 60
    assert (colours.max(axis=1) > 200).all()
