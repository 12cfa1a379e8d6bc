"""Segments as clips: the right frames by another decoder, names that group by source, and a data set out of them."""

import re
import shlex
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from helpers.sound_makers import read_tracks, write_with_sound
from helpers.support import write_video
from helpers.tiny_models import file_size_limit, names_in

from action_recognition.cli.command import OVERRIDE
from action_recognition.config import load_config
from action_recognition.datasets.manifest import build_manifest
from action_recognition.errors import UserError, VideoError
from action_recognition.inference.labelled_video.cut import (
    SOURCE_PATTERN,
    cut_segments,
    folder_names,
    next_command,
    source_name,
)
from action_recognition.inference.prediction import Prediction
from action_recognition.inference.temporal.segments import SegmentSettings, Window

NAMES = ("walk", "push/pull")


def labels_of(parts: list[tuple[int, int | None]], seconds: list[float] | None, *, name: str = "x") -> Prediction:
    """A prediction with one window for each part: its number of frames, and its class or None."""
    frames = sum(count for count, _ in parts)
    times = [*(seconds or [0.0] * frames), (seconds[-1] + 0.04) if seconds else 0.0]
    windows, first = [], 0
    for count, label in parts:
        probabilities = np.array([0.5, 0.5] if label is None else [1 - label, label])
        end = first + count
        times_of = {"start_seconds": times[first], "end_seconds": times[end]}
        windows.append(Window(first_frame=first, end_frame=end, probabilities=probabilities, **times_of))
        first = end
    return Prediction(
        input=name,
        frames=frames,
        fps=frames / times[-1] if seconds else 0.0,
        duration_seconds=times[-1],
        windows=tuple(windows),
        probabilities=np.array([0.5, 0.5]),
        class_names=NAMES,
        segment_settings=SegmentSettings(threshold=0.8),
    )


def numbered(frames: int, *, height: int = 64, width: int = 96) -> np.ndarray:
    """Frames that say in shades of grey which one they are: two columns for two digits to base 16."""
    found = np.zeros((frames, height, width, 3), dtype=np.uint8)
    for number in range(frames):
        found[number, :, : width // 2] = number // 16 * 16
        found[number, :, width // 2 :] = number % 16 * 16
    return found


def numbers_in(path: Path) -> list[int]:
    found = []
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            grey_HW = frame.to_ndarray(format="rgb24").astype(float).mean(axis=2)
            halves = (grey_HW[:, 8:40].mean(), grey_HW[:, 56:88].mean())
            high, low = (round(value / 16) for value in halves)
            found.append(16 * high + low)
    return found


PARTS = [(10, 0), (15, None), (20, 1), (9, 0)]
SECONDS = [float(step) for step in np.cumsum(np.random.default_rng(0).choice([20, 40, 60], size=54)) / 1000]


def test_clips_have_exactly_the_frames_of_their_segments(tmp_path: Path) -> None:
    seconds = [one - SECONDS[0] for one in SECONDS]
    source = write_with_sound(tmp_path / "my film.mp4", numbered(54), seconds=seconds)
    clips = cut_segments(labels_of(PARTS, seconds), source, tmp_path / "cut")
    assert [numbers_in(path) for path in clips] == [list(range(10)), list(range(25, 45)), list(range(45, 54))]
    assert [path.parent.name for path in clips] == ["walk", "push_pull", "walk"]
    for path, first, end in zip(clips, (0, 25, 45), (10, 45, 54), strict=True):
        tracks = read_tracks(path)
        assert tracks.codec is None, "no sound"
        np.testing.assert_allclose(tracks.frame_seconds, np.array(seconds[first:end]) - seconds[first], atol=1e-3)
        match = re.search(SOURCE_PATTERN, path.stem)
        assert match is not None
        assert match[1] == source_name(labels_of(PARTS, seconds), source)
        assert match[1].startswith("my film-")
        assert int(path.stem.split("_")[-1].split("-")[0]) == round(seconds[first] * 1000)


def test_the_folder_is_a_data_set(tmp_path: Path) -> None:
    seconds = [number / 25 for number in range(54)]
    for name in ("a", "b"):
        frames = numbered(54) if name == "a" else numbered(54)[::-1]
        source = (
            write_with_sound(tmp_path / name / "film.mp4", frames, seconds=seconds) if make(tmp_path / name) else None
        )
        assert source is not None
        cut_segments(labels_of(PARTS, seconds), source, tmp_path / "cut set")
    words = shlex.split(next_command(tmp_path / "cut set"))
    assert words[0] == "check-data"
    assert all(OVERRIDE.match(word) for word in words[1:])
    config = load_config([*words[1:], "data.val_fraction=0", "data.test_fraction=0"])
    manifest = build_manifest(config)
    assert manifest.class_names == ("push_pull", "walk")
    assert sorted(record.frames for record in manifest.records) == [9, 9, 10, 10, 20, 20]
    assert len({record.source_video for record in manifest.records}) == 2, "videos of one name are two sources"


def make(folder: Path) -> bool:
    folder.mkdir()
    return True


def test_a_second_run_leaves_what_is_there(tmp_path: Path) -> None:
    seconds = [number / 25 for number in range(54)]
    source = write_with_sound(tmp_path / "a.mp4", numbered(54), seconds=seconds)
    labels = labels_of(PARTS, seconds)
    clips = cut_segments(labels, source, tmp_path / "cut")
    clips[0].unlink()
    moved = tmp_path / "cut" / "other" / clips[1].name
    moved.parent.mkdir()
    clips[1].rename(moved)
    clips[2].write_bytes(b"edited by hand")
    assert cut_segments(labels, source, tmp_path / "cut") == [clips[0], moved, clips[2]]
    assert numbers_in(clips[0]) == list(range(10))
    assert not clips[1].exists()
    assert clips[2].read_bytes() == b"edited by hand"


def test_depth_images_are_copied(tmp_path: Path) -> None:
    folder = tmp_path / "depth"
    folder.mkdir()
    for number in range(20):
        cv2.imwrite(str(folder / f"T{number}.png"), np.full((8, 8), 500 + number, dtype=np.uint16))
    clips = cut_segments(labels_of([(5, 0), (10, None), (5, 1)], None), folder, tmp_path / "cut")
    assert [names_in(path) for path in clips] == [[f"T{n}.png" for n in range(5)], [f"T{n}.png" for n in range(15, 20)]]
    for path in clips:
        for file in path.iterdir():
            assert file.read_bytes() == (folder / file.name).read_bytes()
    assert names_in(tmp_path / "cut") == ["push_pull", "walk"]
    with pytest.raises(VideoError, match="depth in memory"):
        cut_segments(labels_of([(5, 0)], None), np.zeros((5, 8, 8), dtype=np.uint16), tmp_path / "cut")


def test_odd_sizes_and_images_without_times(tmp_path: Path) -> None:
    folder = tmp_path / "frames"
    folder.mkdir()
    for number, frame_HWC in enumerate(numbered(12, height=65, width=97)):
        frame_HWC[0, 0] = (255, 0, 0)  # so that these are colours
        cv2.imwrite(str(folder / f"{number}.png"), frame_HWC)
    clips = cut_segments(labels_of([(1, 0), (6, 1), (5, None)], None), folder, tmp_path / "cut")
    assert [numbers_in(path) for path in clips] == [[1, 2, 3, 4, 5, 6]], "one frame is no clip"
    np.testing.assert_allclose(read_tracks(clips[0]).frame_seconds, np.arange(6) / 25, atol=1e-3)
    assert clips[0].name.endswith("_0000040-0000280ms.mp4")


def test_full_disk_leaves_no_half_clip(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, size=(20, 128, 128, 3), dtype=np.uint8)
    source = write_video(tmp_path / "a.avi", noise)
    labels = labels_of([(20, 0)], [number / 30 for number in range(20)])
    with pytest.raises(UserError, match=r"ms\.mp4: .*could (not )?be written") as raised, file_size_limit(4096):
        cut_segments(labels, source, tmp_path / "cut")
    assert "\n" not in str(raised.value)
    assert names_in(tmp_path / "cut" / "walk") == []


def test_a_video_that_ends_earlier_than_its_labels_leaves_no_half_clip(tmp_path: Path) -> None:
    source = write_video(tmp_path / "a.avi", numbered(15))
    labels = labels_of([(10, 0), (10, 1)], [number / 30 for number in range(20)])
    with pytest.raises(UserError, match="only 5 of 10 frames"):
        cut_segments(labels, source, tmp_path / "cut")
    assert len(names_in(tmp_path / "cut" / "walk")) == 1
    assert names_in(tmp_path / "cut" / "push_pull") == []


def test_folders_of_any_class_names(tmp_path: Path) -> None:
    names = ("run", "Run", "a/b", "a_b", "..", ".hidden", "ü" * 900, "走る", "\x1b[2J", " ", "clean & jerk [x]*?")
    found = folder_names(names)
    assert found["run"] == "run"
    assert found["走る"] == "走る"
    for folder in found.values():
        assert not folder.startswith(".")
        (tmp_path / folder).mkdir()
    assert len(names_in(tmp_path)) == len({name.casefold() for name in names_in(tmp_path)}) == len(names)


@pytest.mark.parametrize("name", ["na\udcefve [1]*.avi", "ü" * 120 + ".avi", "...avi", "a_1-2ms.avi"])
def test_any_name_of_a_video(tmp_path: Path, name: str) -> None:
    source = write_video(tmp_path / "a.avi", numbered(10)).rename(tmp_path / name)
    labels = labels_of([(10, 0)], [number / 30 for number in range(10)])
    (clip,) = cut_segments(labels, source, tmp_path / "cut")
    assert cut_segments(labels, source, tmp_path / "cut") == [clip]
    match = re.search(SOURCE_PATTERN, clip.stem)
    assert match is not None
    assert match[1] == source_name(labels, source)
    assert numbers_in(clip) == list(range(10))
