"""Subtitles, read back by FFmpeg."""

import io

import av
import pytest

from action_recognition.errors import UserError
from action_recognition.inference.temporal.segments import Segment
from action_recognition.inference.temporal.subtitles import to_srt, to_vtt

WRITERS = {"srt": to_srt, "webvtt": to_vtt}


def segment(start: float, end: float, label: str | None, probability: float = 0.5) -> Segment:
    return Segment(
        first_frame=0, end_frame=1, start_seconds=start, end_seconds=end, label=label, probability=probability
    )


def read_back(text: str, kind: str) -> list[tuple[float, float, str]]:
    """Start, end and shown text of each subtitle."""
    cues = []
    with av.open(io.BytesIO(text.encode()), format=kind) as container:
        for packet in container.demux():
            if packet.size:
                start, duration = (float(ticks * packet.time_base) for ticks in (packet.pts, packet.duration))
                shown = packet.decode()[0].dialogue.decode().replace("\u2060", "")
                cues.append((round(start, 3), round(start + duration, 3), shown))
    return cues


@pytest.mark.parametrize("kind", WRITERS)
def test_times_and_labels(kind: str) -> None:
    segments = [segment(0, 1.5, "run"), segment(1.5, 2, None), segment(2, 3.0004, "brush_hair", 0.876)]
    expected = [(0, 1.5, "run 50%"), (2, 3, "brush_hair 88%")]
    assert read_back(WRITERS[kind](segments), kind) == expected


@pytest.mark.parametrize("kind", WRITERS)
@pytest.mark.parametrize("label", ["<b>a</b> & <c", "&lt; --> 2", "walk\n\nrun", "走る", "<i", "a --> b", "1"])
def test_a_label_is_shown_as_it_is(kind: str, label: str) -> None:
    segments = [segment(0, 1, label), segment(1, 2, "after")]
    shown = " ".join(label.split())
    assert read_back(WRITERS[kind](segments), kind) == [(0, 1, f"{shown} 50%"), (1, 2, "after 50%")]


@pytest.mark.parametrize("kind", WRITERS)
def test_more_than_99_hours(kind: str) -> None:
    text = WRITERS[kind]([segment(359_999.9996, 400_000.1234, "run")])
    assert read_back(text, kind) == [(360_000, 400_000.123, "run 50%")]


@pytest.mark.parametrize("segments", [[], [segment(0, 5, None)]])
def test_no_action(segments: list[Segment]) -> None:
    assert to_srt(segments) == ""
    assert to_vtt(segments) == "WEBVTT\n"
    assert read_back(to_vtt(segments), "webvtt") == []


@pytest.mark.parametrize("write", WRITERS.values())
def test_an_input_without_times_is_refused(write: object) -> None:
    with pytest.raises(UserError, match=r"^frames/: has no times, so no subtitles; .*predict\.fps=25$"):
        write([segment(0, 0, "run")], origin="frames/")  # type: ignore[operator]
