"""The demo set: it is reproducible, its names are right, and only motion tells its classes apart."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest
from helpers.planting import read_bgr
from helpers.support import files_in
from helpers.tiny_models import file_size_limit
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from action_recognition.errors import ConfigError, DataError
from action_recognition.synthetic.figures import View, joints_of, seat_pose
from action_recognition.synthetic.scene import ACTIONS, draw_frame, make_clip, make_scene, motion_phase, render_frames
from action_recognition.synthetic.videos import make_sources, plan_clips, render_demo_set

CLIPS_PER_CLASS = 4
LABELS = ("catch", "flic_flac", "run", "sit", "somersault", "stand", "throw", "walk")
# Written from HMDB51's description; the package has a parser of its own.
NAME = re.compile(
    rf"(?P<source>.+)_(?P<label>{'|'.join(LABELS)})_(?P<body>[hulf])_(?P<camera>nm|cm)_np(?P<people>[12])"
    r"_(?P<view>fr|ba|le|ri)_(?P<quality>goo|med|bad)_(?P<number>\d+)\.avi"
)
BY_LABEL = {action.label: action for action in ACTIONS}
REVERSED = (("sit", "stand"), ("throw", "catch"), ("somersault", "flic_flac"))


@pytest.fixture(scope="module")
def demo_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("demo") / "set"
    render_demo_set(directory, clips_per_class=CLIPS_PER_CLASS)
    return directory


def tags(name: str) -> dict[str, str]:
    match = NAME.fullmatch(name)
    assert match, name
    return match.groupdict()


def test_two_runs_give_the_same_bytes(demo_set: Path, tmp_path: Path) -> None:
    threads = cv2.getNumThreads()
    calls: list[tuple[int, int]] = []
    cv2.setNumThreads(3)
    try:
        render_demo_set(tmp_path / "again", clips_per_class=CLIPS_PER_CLASS, progress=lambda *call: calls.append(call))
        assert cv2.getNumThreads() == 3
    finally:
        cv2.setNumThreads(threads)
    assert files_in(tmp_path / "again") == files_in(demo_set)
    assert calls == [(done + 1, 8 * CLIPS_PER_CLASS) for done in range(8 * CLIPS_PER_CLASS)]
    assert [path.name for path in tmp_path.iterdir()] == ["again"]


def test_another_seed_gives_other_clips(demo_set: Path, tmp_path: Path) -> None:
    render_demo_set(tmp_path / "other", seed=7, clips_per_class=3)
    assert not set(files_in(tmp_path / "other").values()) & set(files_in(demo_set).values())


def test_layout_and_names(demo_set: Path) -> None:
    assert sorted(path.name for path in (demo_set / "videos").iterdir()) == list(LABELS)
    for folder in (demo_set / "videos").iterdir():
        names = [path.name for path in folder.iterdir()]
        assert len(names) == CLIPS_PER_CLASS
        assert {tags(name)["label"] for name in names} == {folder.name}
        assert len({(tags(name)["source"], tags(name)["number"]) for name in names}) == CLIPS_PER_CLASS
    assert set("#&()!+'") <= set("".join(source.name for source in make_sources(70)))


def test_every_clip_decodes_to_36_to_48_frames_without_a_date(demo_set: Path) -> None:
    for path in demo_set.glob("videos/*/*.avi"):
        frames = read_bgr(path)
        assert 36 <= len(frames) <= 48
        assert {frame.shape for frame in frames} == {(96, 128, 3)}
        assert 30_000 < path.stat().st_size < 120_000
        content = path.read_bytes()
        assert b"IDIT" not in content
        assert b"ICRD" not in content


def test_camera_tag_is_what_the_background_does() -> None:
    """Most pixels are background: before noise they stay exactly as they are if and only if the camera does."""
    for planned in list(plan_clips(seed=2024, clips_per_class=12)):
        first, *later = (draw_frame(planned.scene, planned.clip, index) for index in (0, 8, 18, 28))
        change = max(float(np.median(cv2.absdiff(first, frame))) for frame in later)
        assert (change > 0) == (tags(planned.file_name)["camera"] == "cm")
        if change:
            assert np.ptp(planned.clip.shake_T2, axis=0).max() > 1


def test_quality_tag_is_the_noise() -> None:
    noise: dict[str, list[float]] = {"goo": [], "med": [], "bad": []}
    planned_by_source = {planned.source.name: planned for planned in plan_clips(seed=2024, clips_per_class=70)}
    for planned in planned_by_source.values():
        still = replace(planned.clip, flicker_T=0 * planned.clip.flicker_T, shake_T2=0 * planned.clip.shake_T2)
        first, second = (frame.astype(int) for frame in islice(render_frames(planned.scene, still), 2))
        noise[tags(planned.file_name)["quality"]].append(float(np.median(np.abs(first - second))))
    assert max(noise["goo"]) < min(noise["med"])
    assert max(noise["med"]) < min(noise["bad"])


def test_view_and_people_tags_are_what_is_drawn() -> None:
    upright = joints_of(make_scene(np.random.default_rng(0)).person, seat_pose(0))
    for planned in list(plan_clips(seed=5, clips_per_class=6))[::2]:
        found = tags(planned.file_name)
        view = View(x=64, y=80, height=60, facing=planned.clip.facing)
        assert (view.point(upright.nose) > view.point(upright.head)) == (found["view"] == "ri")
        alone = draw_frame(planned.scene, replace(planned.clip, bystander_x=None), 0)
        assert (draw_frame(planned.scene, planned.clip, 0) != alone).any() == (found["people"] == "2")


@pytest.mark.parametrize("clips_per_class", [3, 4, 11, 70])
def test_splits_are_complete_equal_and_leak_free(clips_per_class: int) -> None:
    """The plan that the split files are written from; for one size the files themselves, below."""
    planned = list(plan_clips(seed=2024, clips_per_class=clips_per_class))
    assert Counter(clip.action.label for clip in planned) == dict.fromkeys(LABELS, clips_per_class)
    sides_by_split = []
    for split in range(3):
        sides = [
            {tags(clip.file_name)["source"] for clip in planned if clip.split_labels[split] == side} for side in (1, 2)
        ]
        assert not sides[0] & sides[1]
        first, *others = (
            Counter(clip.split_labels[split] for clip in planned if clip.action.label == label) for label in LABELS
        )
        assert others == [first] * 7
        assert first[1] >= first[2] >= 1
        assert clips_per_class != 70 or first == {1: 46, 2: 18, 0: 6}
        sides_by_split.append(frozenset(sides[1]))
    assert len(set(sides_by_split)) == 3


def test_seventy_clips_come_from_ten_to_fourteen_sources_a_class() -> None:
    sources: dict[str, Counter[str]] = {label: Counter() for label in LABELS}
    for planned in plan_clips(seed=2024, clips_per_class=70):
        sources[planned.action.label][planned.source.name] += 1
    for counts in sources.values():
        assert 10 <= len(counts) <= 14
        assert set(counts.values()) <= {4, 5, 6, 7}


def test_split_files_are_like_the_official_ones(demo_set: Path) -> None:
    assert len(files_in(demo_set / "splits")) == 3 * len(LABELS)
    for split in (1, 2, 3):
        sources: dict[str, set[str]] = {"0": set(), "1": set(), "2": set()}
        for label in LABELS:
            lines = (demo_set / "splits" / f"{label}_test_split{split}.txt").read_bytes().decode().split("\n")
            assert lines.pop() == ""
            matches = [re.fullmatch(r"(\S+) ([012]) ", line) or pytest.fail(line) for line in lines]
            assert {match[1] for match in matches} == set(files_in(demo_set / "videos" / label))
            for match in matches:
                sources[match[2]].add(tags(match[1])["source"])
        assert sources["1"]
        assert sources["2"]
        assert not sources["1"] & sources["2"]


@pytest.mark.parametrize(("forwards", "backwards"), REVERSED)
def test_a_pair_is_one_motion_forwards_and_backwards(forwards: str, backwards: str) -> None:
    for seed in range(20):
        one, other = (make_clip(BY_LABEL[label], np.random.default_rng(seed)) for label in (forwards, backwards))
        np.testing.assert_array_equal(one.phase_T, other.phase_T[::-1])
        assert repr(replace(one, phase_T=other.phase_T)) == repr(other)
        assert one.phase_T[0] == pytest.approx(0, abs=1e-9)
        assert one.phase_T[-1] == pytest.approx(1, abs=1e-9)
        assert (np.diff(one.phase_T) >= 0).all()


@pytest.mark.parametrize(("forwards", "backwards"), REVERSED)
def test_the_frames_of_a_pair_are_the_same_in_reverse(forwards: str, backwards: str) -> None:
    scene = make_scene(np.random.default_rng(1))
    quiet = []
    for label in (forwards, backwards):
        clip = make_clip(BY_LABEL[label], np.random.default_rng(2))
        clip = replace(clip, shake_T2=0 * clip.shake_T2, blobs=(), bystander_x=None)
        quiet.append(np.stack([draw_frame(scene, clip, index) for index in range(clip.frames)]))
    np.testing.assert_array_equal(quiet[0], quiet[1][::-1])
    assert (quiet[0] != quiet[1]).any()


def test_walk_and_run_differ_in_cadence_only() -> None:
    for seed in range(20):
        walk, run = (make_clip(BY_LABEL[label], np.random.default_rng(seed)) for label in ("walk", "run"))
        np.testing.assert_allclose(np.diff(run.phase_T), 2.6 * np.diff(walk.phase_T))
        assert repr(replace(walk, phase_T=run.phase_T)) == repr(run)


@pytest.mark.parametrize("label", LABELS)
def test_the_middle_31_frames_hold_most_of_the_motion(label: str) -> None:
    for seed in range(200):
        frames = 37 + 2 * (seed % 6)
        phase_T = motion_phase(BY_LABEL[label], np.random.default_rng(seed), frames=frames)
        first = (frames - 31) // 2
        # Of a whole motion, or of a cycle of the gait.
        assert abs(phase_T[first + 30] - phase_T[first]) > 0.5


def small_pictures(seed: int) -> Iterator[tuple[str, str, NDArray[np.float64], NDArray[np.float64]]]:
    """The label and source of each clip, its middle frame, and the change around it, both small.

    Figures that face left are mirrored, which the classifier could not learn from so few clips.
    """
    for planned in plan_clips(seed=seed, clips_per_class=48):
        middle = planned.clip.frames // 2
        before, at, after = (
            cv2.resize(draw_frame(planned.scene, planned.clip, middle + offset), (32, 24), interpolation=cv2.INTER_AREA)
            .mean(axis=2)[:, :: planned.clip.facing]
            .ravel()
            for offset in (-3, 0, 3)
        )
        yield planned.action.label, planned.source.name, at, after - before


def test_one_frame_cannot_tell_a_pair_apart_and_two_can() -> None:
    labels, sources, frames, changes = zip(*small_pictures(seed=11), strict=True)
    label, frame, change = np.array(labels), np.stack(frames), np.stack(changes)
    train = np.isin(sources, sorted(set(sources))[::2])

    def accuracy(features: NDArray[np.float64], target: NDArray, used: NDArray[np.bool_]) -> float:
        model = make_pipeline(StandardScaler(), LogisticRegression(C=0.003, max_iter=500))
        model.fit(features[used & train], target[used & train])
        return float(model.score(features[used & ~train], target[used & ~train]))

    pairs = [np.isin(label, pair) for pair in (*REVERSED, ("walk", "run"))]
    by_frame = [accuracy(frame, label, pair) for pair in pairs]
    by_change = [accuracy(change, label, pair) for pair in pairs[:3]]
    pair_by_frame = accuracy(frame, np.array([BY_LABEL[name].pair for name in label]), label != "")
    # On 192 clips, chance is 0.5 with a standard deviation of 0.036. The other two scores show what can be learned.
    assert np.mean(by_frame) < 0.57
    assert np.mean(by_change) > 0.7
    assert pair_by_frame > 0.6


def test_bad_arguments_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="clips_per_class=2: expected at least 3"):
        render_demo_set(tmp_path / "set", clips_per_class=2)
    with pytest.raises(ConfigError, match="seed=-1"):
        render_demo_set(tmp_path / "set", seed=-1, clips_per_class=3)


def test_a_full_disk_is_one_error_and_leaves_nothing(tmp_path: Path) -> None:
    with file_size_limit(20_000), pytest.raises(DataError, match="is the disk full"):
        render_demo_set(tmp_path / "set", clips_per_class=3)
    assert list(tmp_path.iterdir()) == []
