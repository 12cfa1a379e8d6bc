"""What is drawn belongs to the moment, fits into every frame, and can be read."""

from dataclasses import replace

import numpy as np
import pytest
from helpers.predictions import LONG_LABEL, prediction_of

from action_recognition.inference.labelled_video.painter import Painter, nearest_windows, segment_of
from action_recognition.inference.temporal.segments import NONE_OF_THESE, Segment, SegmentSettings

NAMES = ("walk", "run", "走る", f"{LONG_LABEL} " * 3)


def test_frame_belongs_to_the_nearest_window() -> None:
    # The last window is moved back and overlaps the one before.
    spans = [(0, 7), (7, 14), (14, 21), (18, 25)]
    found = nearest_windows(prediction_of(spans, [0, 1, 2, 0], frames=25, names=NAMES))
    middles = [(first + end - 1) / 2 for first, end in spans]
    for frame in range(25):
        distances = [abs(frame - middle) for middle in middles]
        assert distances[found[frame]] == min(distances)
    assert len(found) == 25


def test_the_segment_of_a_frame() -> None:
    def segment(first: int, end: int) -> Segment:
        times = {"start_seconds": first / 30, "end_seconds": end / 30}
        return Segment(first_frame=first, end_frame=end, label="walk", probability=0.5, **times)

    segments = (segment(0, 10), segment(10, 10), segment(10, 25), segment(30, 40))
    found = [segment_of(segments, number) for number in (0, 9, 10, 26, 30, 39, 40)]
    assert found == [segments[0], segments[0], segments[2], None, segments[3], segments[3], None]
    assert segment_of((), 1) is None


SIZES = [(240, 120), (320, 240), (240, 426), (120, 1440), (1440, 120), (640, 360), (1080, 1920), (3840, 2160)]


@pytest.mark.parametrize(("width", "height"), SIZES, ids=str)
@pytest.mark.parametrize("names", [NAMES, ("one",), ("a/b", "\u202e\x1b[2J", "\U0001f938 🏃")], ids=len)
def test_every_size_of_frame_has_room(width: int, height: int, names: tuple[str, ...]) -> None:
    """Most of the picture stays as it was, and nothing is drawn outside."""
    some = prediction_of([(0, 7), (7, 14)], [0, len(names) - 1], frames=14, names=names)
    settings = SegmentSettings(threshold=0.9)  # so that they are none of these
    for shown in (some, replace(some, segment_settings=settings)):
        painter = Painter(shown, width=width, height=height)
        for number in (0, 13):
            frame_HWC = np.full((height, width, 3), 90, dtype=np.uint8)
            painter.draw(frame_HWC, number, number / 30)
            changed = (frame_HWC != 90).any(axis=2)
            assert changed.any()
            assert changed.mean() < (0.75 if min(width, height) < 200 else 0.5)


def test_drawing_is_repeated_only_when_something_changes() -> None:
    painter = Painter(prediction_of([(0, 7), (7, 14)], [0, 1], frames=14, names=NAMES), width=320, height=240)
    frame_HWC = np.zeros((240, 320, 3), dtype=np.uint8)
    seen = set()
    for number in range(14):
        painter.draw(frame_HWC, number, number / 30)
        assert painter._panel is not None
        assert painter._caption is not None
        seen.add((id(painter._panel[1]), id(painter._caption[1])))
    assert len(seen) == 2


def test_a_label_without_letters_in_any_font_is_its_number() -> None:
    painter = Painter(
        prediction_of([(0, 7)], [0], frames=7, names=("walk", "\U0001f938\U000f0000")), width=320, height=240
    )
    assert painter.names == ["walk", "class 1"]
    assert NONE_OF_THESE not in painter.names
