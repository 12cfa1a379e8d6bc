"""Timelines: they can be opened, and the colours lie where the segments do."""

import warnings
from itertools import groupby
from pathlib import Path

import cv2
import numpy as np
import pytest

from action_recognition.errors import UserError
from action_recognition.inference.temporal.colors import label_color
from action_recognition.inference.temporal.segments import SegmentSettings, Window
from action_recognition.inference.temporal.timeline import draw_timeline, write_timeline
from action_recognition.inference.video_labels import VideoLabels

SETTINGS = SegmentSettings(threshold=0.5)


def labels_of(*best: int | None, names: tuple[str, ...] = ("a", "b", "c"), timed: bool = True) -> VideoLabels:
    """One window a second; None for one in which all classes are equally probable."""
    classes = len(names)
    probability_NK = np.full((len(best), classes), 1 / classes)
    for row, label in zip(probability_NK, best, strict=True):
        if label is not None:
            row[:] = np.eye(classes)[label]
    windows = tuple(
        Window(
            first_frame=30 * number,
            end_frame=30 * number + 30,
            start_seconds=number * timed,
            end_seconds=(number + 1) * timed,
            probabilities=row,
            class_names=names,
        )
        for number, row in enumerate(probability_NK)
    )
    return VideoLabels(
        input="x",
        frames=30 * len(best),
        fps=30.0 * timed,
        duration_seconds=float(len(best)) * timed,
        windows=windows,
        probabilities=probability_NK.mean(axis=0),
        class_names=names,
        segment_settings=SETTINGS,
    )


def written(path: Path, labels: VideoLabels, *, title: str = "") -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        write_timeline(path, labels, title=title)
    return path


@pytest.mark.parametrize("timed", [True, False])
def test_colours_of_the_segments_in_their_order(tmp_path: Path, timed: bool) -> None:
    labels = labels_of(0, 0, 1, None, 2, 0, names=(" ", "  ", "   "), timed=timed)
    path = written(tmp_path / "t.png", labels, title="a.mp4")
    picture = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
    number_of = {label_color(number): number for number in range(3)}
    rows = [[number_of.get(tuple(color)) for color in row] for row in picture.tolist()]
    bar = next(row for row in rows if set(row) >= {0, 1, 2})  # of the rows of probabilities, each has one colour
    assert [number for number, _ in groupby(number for number in bar if number is not None)] == [0, 1, 2, 0]
    assert bar.count(0) / bar.count(1) == pytest.approx(3, rel=0.1)


@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf", ".SVG"])
def test_formats_and_odd_names(tmp_path: Path, suffix: str) -> None:
    names = ("$x^2$ <b>", "走る\n\x1b[2J", "a" * 300)
    path = written(tmp_path / f"$\\frac$ t{suffix}", labels_of(0, 1, 2, None, names=names), title="$\\bad{ <a> " * 40)
    assert path.stat().st_size > 1000
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"t\.xyz: a timeline is written as \.png, \.svg or \.pdf"):
        written(tmp_path / "t.xyz", labels_of(0))
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="could not be written"):
        written(tmp_path / "file" / "t.png", labels_of(0))


def test_the_classes_of_segments_come_first_and_no_more_than_asked_for() -> None:
    names = tuple(f"class{number}" for number in range(50))
    figure = draw_timeline(labels_of(7, 7, 3, None, names=names), top_k=4)
    upper, lower = figure.axes
    assert [label.get_text() for label in upper.get_yticklabels()][:2] == ["class7", "class3"]
    assert len(upper.get_yticks()) == 4
    assert [text.get_text() for text in lower.texts] == ["class7", "class3"]
