"""Each search of check-data on cases worked out by hand."""

from pathlib import Path

import numpy as np
import pytest
from helpers.tiny_models import tiny_contract

from action_recognition.checks.duplicates import common_footage, find_exact_duplicates, frame_vectors
from action_recognition.checks.findings import (
    HeaderBias,
    find_frame_mismatches,
    find_mislabelled,
    find_short,
    named_class,
)
from action_recognition.checks.overview import length_bins, measure_leakage
from action_recognition.datasets.records import ClipRecord, Manifest


def record(path: str = "run/a.avi", *, split: str = "train", source: str = "", **values: object) -> ClipRecord:
    return ClipRecord(path=path, label=path.split("/")[0], split=split, source_video=source or path, **values)


@pytest.mark.parametrize(
    ("headers", "decoded", "faulty"),
    [
        ([48, 36, 24, 48], [40, 30, 20, 20], [3]),  # a fifth too many is this set's bias
        ([41, 101, 61, 31], [40, 100, 60, 20], [3]),  # one too many is
        ([40, 40, 40, 40], [40, 41, 39, 40], []),
        ([0, -5, 40, 40], [40, 40, 40, 40], []),  # a header that says nothing
        ([20, 200, 2000, 100], [12, 192, 1992, 92], []),  # eight too many, whatever the length
        ([10, 10, 10], [12, 12, 12], []),
    ],
)
def test_only_a_header_that_is_further_off_than_the_others_is_a_fault(headers, decoded, faulty):
    records = [record(f"run/{n}.avi", frames=frames) for n, frames in enumerate(decoded)]
    header_frames = {r.path: max(0, header) for r, header in zip(records, headers, strict=True)}
    found = find_frame_mismatches(records, header_frames, HeaderBias.of(records, header_frames))
    assert [finding.path for finding in found] == [f"run/{n}.avi" for n in faulty]


@pytest.mark.parametrize(
    ("frames", "stride", "length", "short"), [(16, 2, 15, False), (16, 2, 14, True), (1, 1, 1, False), (2, 9, 1, True)]
)
def test_short_is_less_than_half_of_the_model_input(frames, stride, length, short):
    assert bool(find_short([record(frames=length)], tiny_contract(frames=frames, stride=stride))) == short


@pytest.mark.parametrize(
    ("stem", "expected"),
    [
        ("Film_run_f_nm_np1_ri_goo_0", "run"),
        ("Film_of_a_walk_run_f_nm_np1_ri_goo_10", "run"),
        ("A_sword_draw_sword_f_nm_np1_ri_goo_0", "draw_sword"),
        ("A_draw_sword_exercise_f_nm_np1_ri_goo_0", None),
        ("v_HandStand_g01_c02", "HandStand"),
        ("v_Unknown_g01_c02", None),
        ("run", None),
        ("my_run_1", None),
    ],
)
def test_the_class_in_a_name(stem, expected):
    assert named_class(stem, frozenset({"run", "walk", "sword", "draw_sword", "HandStand"})) == expected


def test_mislabelled_by_name_or_by_list():
    assert find_mislabelled([record("Handstand/v_HandStand_g01_c02.avi")], {}) == []  # another case is no other class
    listing = {("walk", "x.avi"): "train", ("run", "y.avi"): "test"}
    (found,) = find_mislabelled([record(f"run/{name}.avi") for name in "xyz"], listing)
    assert (found.path, found.detail) == ("run/x.avi", "lies in run, the split files list it under walk")


def test_leakage_counts_sources_class_by_class():
    rows = [("run", "A", "train"), ("run", "A", "val"), ("run", "B", "val"), ("walk", "A", "val")]
    rows += [("run", "B", "test"), ("run", "C", "test"), ("walk", "B", "test"), ("run", "A", "unused")]
    records = [record(f"{label}/{n}.avi", split=s, source=of, frames=9) for n, (label, of, s) in enumerate(rows)]
    measured = measure_leakage(Manifest(Path(), tuple(records)))
    assert [(m.split, m.clips, m.leaking, m.seen_in_other_class) for m in measured] == [
        ("val", 3, 1, 1),
        ("test", 3, 1, 1),
    ]


def test_the_clip_outside_of_train_is_the_duplicate():
    split_of = {"run/a.avi": "test", "run/b.avi": "train", "run/c.avi": "unused", "walk/d.avi": "train"}
    records = [record(path, split=split, md5="same") for path, split in split_of.items()]
    found = {finding.path: (finding.kind, finding.other) for finding in find_exact_duplicates(records)}
    assert found == {
        "run/a.avi": ("duplicate across splits", "run/b.avi"),
        "run/c.avi": ("duplicate", "run/b.avi"),
        "walk/d.avi": ("duplicate", "run/b.avi"),
    }


def footage(places: range, noise: int) -> np.ndarray:
    """A bright spot that wanders over a fixed background, `[T, 16, 16]`."""
    frames = np.stack([np.random.default_rng(3).integers(40, 120, size=(16, 16)) for _ in places])
    for frame, place in zip(frames, places, strict=True):
        frame[place // 8 : place // 8 + 4, place % 12 : place % 12 + 4] = 230
    return (frames + np.random.default_rng(noise).integers(-2, 3, size=frames.shape)).astype(np.uint8)


WHOLE = footage(range(0, 40), noise=1)
DARK = np.random.default_rng(5).integers(0, 2, size=(40, 16, 16)).astype(np.uint8)


@pytest.mark.parametrize(
    ("first", "second", "shared"),
    [
        (WHOLE, footage(range(0, 40), noise=2), 1),
        (WHOLE, footage(range(5, 30), noise=2), 1),
        (WHOLE, footage(range(20, 60), noise=2), 0.5),
        (WHOLE, footage(range(0, 40, 2), noise=2), 1),
        (WHOLE, (WHOLE * 0.6 + 10).astype(np.uint8), 1),  # darker
        (WHOLE, WHOLE[::-1], None),
        (WHOLE, footage(range(40, 80), noise=2), None),
        (WHOLE, footage(range(30, 70), noise=2), None),
        (DARK, DARK, None),
    ],
)
def test_footage_is_told_from_its_reverse_its_neighbour_and_the_dark(first, second, shared):
    common = common_footage(frame_vectors(first), frame_vectors(second))
    assert (common and common[0]) == (shared and pytest.approx(shared))


@pytest.mark.parametrize(
    ("frames", "bins"),
    [([7], [(7, 7, 1)]), ([1, 2, 3, 3], [(1, 1, 1), (2, 2, 1), (3, 3, 2)]), ([0, 95], 10), ([0, 999], 10)],
)
def test_lengths_are_binned_in_round_steps(frames, bins):
    found = length_bins(frames)
    assert sum(count for _, _, count in found) == len(frames)
    assert (found if isinstance(bins, list) else len(found)) == bins
