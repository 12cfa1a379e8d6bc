"""Segments of windows: where they begin and end, what they are called, and inputs of every kind."""

import itertools
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from inspect import signature
from pathlib import Path

import numpy as np
import pytest
from helpers.colour_backend import BLUE, GREEN, RED, ColourBackend, coloured
from helpers.support import ROOT

from action_recognition.config import load_config
from action_recognition.errors import ConfigError
from action_recognition.inference.load import load
from action_recognition.inference.predictor import Predictor
from action_recognition.inference.temporal.segments import (
    RECOMMENDED_SEGMENTS,
    Segment,
    SegmentSettings,
    Window,
    find_segments,
)

MakeVideo = Callable[..., Path]
NAMES = ("a", "b", "c")
RAW = SegmentSettings(threshold=0.0, smoothing_seconds=0.0, min_seconds=0.0, merge_seconds=0.0)
SMOOTH = SegmentSettings(threshold=0.5, smoothing_seconds=0.4, min_seconds=1.0, merge_seconds=0.5)


def window(number: int, probabilities: Sequence[float], *, hop: float = 1.0, timed: bool = True) -> Window:
    """One second, 30 frames."""
    start = number * hop
    return Window(
        first_frame=round(start * 30),
        end_frame=round((start + 1) * 30),
        start_seconds=start if timed else 0.0,
        end_seconds=start + 1 if timed else 0.0,
        probabilities=np.array(probabilities, dtype=np.float64),
    )


def windows_of(letters: str, *, sure: float = 0.9, hop: float = 1.0, timed: bool = True) -> list[Window]:
    """A window per letter; in a dot, all classes are alike."""
    rest = (1 - sure) / 2
    rows = [
        [1 / 3] * 3 if letter == "." else [sure if name == letter else rest for name in NAMES] for letter in letters
    ]
    return [window(number, row, hop=hop, timed=timed) for number, row in enumerate(rows)]


def shown(segments: Sequence[Segment]) -> list[tuple[float, float, str | None]]:
    return [(segment.start_seconds, segment.end_seconds, segment.label) for segment in segments]


def check_tiles(segments: Sequence[Segment], windows: Sequence[Window]) -> None:
    """No gaps, no overlaps, the whole video, and sound numbers."""
    assert (segments[0].start_seconds, segments[-1].end_seconds) == (0, windows[-1].end_seconds)
    assert (segments[0].first_frame, segments[-1].end_frame) == (0, windows[-1].end_frame)
    for one, next_one in itertools.pairwise(segments):
        assert (one.end_seconds, one.end_frame) == (next_one.start_seconds, next_one.first_frame)
        assert one.label != next_one.label
    for segment in segments:
        assert 0 <= segment.probability <= 1 + 1e-9
        assert segment.first_frame <= segment.end_frame
        assert segment.start_seconds <= segment.end_seconds


def test_windows_that_follow_each_other_keep_their_borders() -> None:
    segments = find_segments(windows_of("aabbbc"), NAMES, RAW)
    assert shown(segments) == [(0, 2, "a"), (2, 5, "b"), (5, 6, "c")]
    assert [(segment.first_frame, segment.end_frame) for segment in segments] == [(0, 60), (60, 150), (150, 180)]
    assert all(segment.probability == pytest.approx(0.9) for segment in segments)


def test_an_unlikely_class_is_none() -> None:
    segments = find_segments(windows_of("aa..b"), NAMES, SegmentSettings(threshold=0.5))
    assert [label for _, _, label in shown(segments)] == ["a", None, "b"]
    assert find_segments(windows_of("ab"), NAMES, SegmentSettings(threshold=1.0))[0].label is None


def test_overlapping_windows_are_averaged() -> None:
    windows = [window(0, [0.9, 0.1, 0], hop=0.5), window(1, [0.4, 0.6, 0], hop=0.5), window(2, [0, 1, 0], hop=0.5)]
    segments = find_segments(windows, NAMES, RAW)
    assert shown(segments) == [(0, 1, "a"), (1, 2, "b")]
    assert segments[0].probability == pytest.approx((0.9 + (0.9 + 0.4) / 2) / 2)
    assert segments[1].probability == pytest.approx(((0.6 + 1) / 2 + 1) / 2)


def test_a_flicker_goes_to_its_neighbours_and_a_pause_between_two_of_a_class_becomes_part_of_them() -> None:
    settings = SegmentSettings(threshold=0.5, smoothing_seconds=0.0, min_seconds=2.0, merge_seconds=0.0)
    assert shown(find_segments(windows_of("aaabaacc"), NAMES, settings)) == [(0, 6, "a"), (6, 8, "c")]
    settings = SegmentSettings(threshold=0.5, smoothing_seconds=0.0, min_seconds=0.0, merge_seconds=2.0)
    segments = find_segments(windows_of("aa..a...ab..c"), NAMES, settings)
    assert shown(segments) == [(0, 5, "a"), (5, 8, None), (8, 9, "a"), (9, 10, "b"), (10, 12, None), (12, 13, "c")]
    assert segments[0].probability == pytest.approx((3 * 0.9 + 2 / 3) / 5)


def test_smoothing_takes_away_a_flicker_and_leaves_borders_where_they_are() -> None:
    windows = windows_of("aaaaaaabaaaabbbbbbbbbb", hop=0.5)
    segments = find_segments(windows, NAMES, SegmentSettings(smoothing_seconds=0.8, threshold=0, min_seconds=0))
    assert [segment.label for segment in segments] == ["a", "b"]
    assert segments[0].end_seconds == pytest.approx(6.25, abs=0.26)


@pytest.mark.parametrize("settings", [RAW, SMOOTH])
@pytest.mark.parametrize("hop", [1.0, 0.7, 0.25])
def test_an_input_without_times_has_the_same_segments_by_frame(settings: SegmentSettings, hop: float) -> None:
    letters = "aaabbbbb...cccccabab"
    timed = find_segments([*windows_of(letters, hop=hop)], NAMES, settings)
    scaled = [  # 25 frames a second are what the settings count in there
        Window(
            first_frame=round(found.start_seconds * 25 * 4),
            end_frame=round(found.end_seconds * 25 * 4),
            start_seconds=0.0,
            end_seconds=0.0,
            probabilities=found.probabilities,
        )
        for found in windows_of(letters, hop=hop / 4)
    ]
    untimed = find_segments(windows_of(letters, hop=hop, timed=False), NAMES, settings)
    check_tiles(timed, windows_of(letters, hop=hop))
    assert {segment.end_seconds for segment in untimed} == {0.0}
    assert untimed[-1].end_frame == timed[-1].end_frame
    assert find_segments(scaled, NAMES, settings)[-1].end_frame == scaled[-1].end_frame
    if settings == RAW:
        assert [segment.end_frame for segment in untimed] == [segment.end_frame for segment in timed]


@pytest.mark.parametrize("settings", [RAW, SMOOTH, SegmentSettings(smoothing_seconds=100, min_seconds=1000)])
@pytest.mark.parametrize(
    ("count", "classes", "hop"), [(1, 1, 1.0), (1, 5, 1.0), (2, 2, 0.5), (40, 1000, 0.25), (300, 3, 0.1), (50, 3, 1.4)]
)
def test_segments_tile_every_video(settings: SegmentSettings, count: int, classes: int, hop: float) -> None:
    probability_NK = np.random.default_rng(0).dirichlet(np.full(classes, 0.05), size=count)
    windows = [window(number, row, hop=hop) for number, row in enumerate(probability_NK)]
    segments = find_segments(windows, [str(number) for number in range(classes)], settings)
    check_tiles(segments, windows)
    shortest = min(settings.min_seconds, windows[-1].end_seconds)
    assert min(segment.end_seconds - segment.start_seconds for segment in segments) >= shortest - 1e-4
    assert segments == find_segments(windows, [str(number) for number in range(classes)], settings)


def test_no_windows_no_segments() -> None:
    assert find_segments([], NAMES, RAW) == ()


@pytest.mark.parametrize(
    ("name", "value"), [("threshold", 1.5), ("threshold", float("nan")), ("min_seconds", -1.0), ("merge_seconds", "2")]
)
def test_a_setting_out_of_range_is_one_line(name: str, value: object) -> None:
    with pytest.raises(ConfigError, match=f"^segments: {name}="):
        SegmentSettings(**{name: value})  # type: ignore[arg-type]


def test_changes_in_a_minute_of_video_are_found_within_a_window(make_video: MakeVideo, tmp_path: Path) -> None:
    """In a process of its own, because peak memory is that of a process."""
    lengths = [97, 150, 301, 88, 240, 133, 404, 111, 276]
    colours = list(itertools.islice(itertools.cycle((RED, BLUE, GREEN, BLUE)), len(lengths)))
    make_video(tmp_path / "minute.avi", coloured(*zip(lengths, colours, strict=True)), fps=30.0)
    code = """
import sys
from inspect import signature
from pathlib import Path
from helpers.colour_backend import ColourBackend
from action_recognition.inference.predictor import Predictor
from action_recognition.inference.temporal.segments import SegmentSettings
settings = SegmentSettings(threshold=0.3, smoothing_seconds=0.5, min_seconds=1.0)
backend = ColourBackend(keeps_clips=False, fps=30.0)
prediction = Predictor(backend, overlap=0.5, segments=settings).predict(Path("minute.avi"))
print([(segment.label, segment.first_frame, segment.end_frame) for segment in prediction.segments])
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))  # not the parent's too
"""
    environment = os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}"}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found, kilobytes = (eval(line) for line in done.stdout.splitlines())
    assert [label for label, *_ in found] == [["red", "green", "blue"][colour.index(200)] for colour in colours]
    ends = np.cumsum(lengths)
    errors = np.abs(np.array([end for *_, end in found]) - ends)
    assert errors.max() <= ColourBackend().contract.span
    assert kilobytes < 1_500_000


def test_the_last_segment_ends_with_the_video(make_video: MakeVideo, tmp_path: Path) -> None:
    for fps in (12.0, 25.0, 60.0):
        path = make_video(tmp_path / f"{fps}.avi", coloured((37, RED), (44, BLUE)), fps=fps)
        prediction = Predictor(ColourBackend(fps=30.0), overlap=0.5, segments=RAW).predict(path)
        last = prediction.segments[-1]
        assert (last.end_seconds, last.end_frame) == (prediction.duration_seconds, prediction.frames)


def test_the_command_and_python_have_the_same_defaults() -> None:
    config, parameters = load_config([]).predict, signature(load).parameters
    for name in ("overlap", *vars(RECOMMENDED_SEGMENTS)):
        assert parameters[name].default == getattr(config, name)
