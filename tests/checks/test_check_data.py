"""check-data: the command and its report, and each search on cases worked out by hand."""

import shutil
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from helpers.planting import write_bgr
from helpers.support import moving_square, write_video
from helpers.tiny_models import tiny_contract
from rich.console import Console

from action_recognition.checks import thumbnails
from action_recognition.checks.duplicates import common_footage, find_exact_duplicates, frame_vectors
from action_recognition.checks.examine import examine
from action_recognition.checks.findings import (
    HeaderBias,
    find_frame_mismatches,
    find_mislabelled,
    find_short,
    named_class,
)
from action_recognition.checks.overview import length_bins, measure_leakage
from action_recognition.config import load_config
from action_recognition.datasets.records import ClipRecord, Manifest
from action_recognition.reports.page import Bar, Heading, Paragraph, Table, to_html, to_markdown

QUIET = Console(quiet=True)


@pytest.fixture
def own_set(tiny_set, tmp_path):
    """A copy of the tiny set, and the words that name it on the command line."""
    shutil.copytree(tiny_set, tmp_path / "own")
    small = ["clip.frames=4", "clip.stride=2", "clip.short_side=36", "clip.size=32", "data.val_fraction=0.25"]
    return tmp_path / "own", ["data=hmdb51", "data.videos_dir=own/videos", "data.splits_dir=own/splits", *small]


def record(path: str = "run/a.avi", *, split: str = "train", source: str = "", **values: object) -> ClipRecord:
    return ClipRecord(path=path, label=path.split("/")[0], split=split, source_video=source or path, **values)


# The command


def test_sound_data_exits_with_0_and_a_report(own_set, run_cli, tmp_path):
    result = run_cli("check-data", *own_set[1])
    assert result.code == 0, result.err
    assert "0 of 8 test clips (0.0 %)" in result.out
    assert "no findings" in result.out
    for name in ("data_report.html", "data_report.md"):
        assert name in result.out
        assert "Nothing found that makes training wrong" in (tmp_path / "plots" / name).read_text()


def test_a_fault_exits_with_1_and_names_the_clip_and_the_report(own_set, run_cli, tmp_path):
    broken = tmp_path / "own/videos/run/Film_0_run_f_nm_np1_ri_goo_0.avi"
    broken.write_bytes(b"")
    result = run_cli("check-data", *own_set[1])
    assert result.code == 1
    assert result.err.count("\n") == 1
    assert "unreadable 1" in result.err
    assert broken.name in result.err
    assert "plots/data_report.html" in result.err
    assert "empty file" in result.out


def test_short_and_unlisted_clips_are_remarks(own_set, run_cli, tmp_path):
    folder = tmp_path / "own/videos/run"
    write_video(folder / "Film_0_run_f_nm_np1_ri_goo_0.avi", moving_square(2, seed=150))
    write_video(folder / "New_run_f_nm_np1_ri_goo_0.avi", moving_square(12, seed=151))
    (folder / "notes.txt").write_text("not a video")
    result = run_cli("check-data", *own_set[1])
    assert result.code == 0
    assert "2 frames at stride 2 give 1 of the 4 frames" in result.out
    assert "New_run_f_nm_np1_ri_goo_0.avi: not in the split files" in result.out
    assert "run/notes.txt" in result.out


def test_a_random_split_is_called_leaking(own_set, run_cli, tmp_path):
    for path in (tmp_path / "own/splits").iterdir():
        lines = path.read_text().splitlines()
        path.write_text("".join(f"{line.split()[0]} {1 + ('goo_1' in line)} \n" for line in lines))
    result = run_cli("check-data", *own_set[1])
    assert result.code == 1
    assert "leaking 12" in result.err
    assert "12 of 12 test clips (100.0 %)" in result.out


def test_own_videos_without_split_files(own_set, run_cli):
    size = [word for word in own_set[1] if word.startswith(("clip.frames", "clip.stride", "data.s"))]
    words = ["data=folder", "data.videos_dir=own/videos", r"data.source_pattern='^(Film_\d+)_'", *size]
    result = run_cli("check-data", *[word for word in words if "splits_dir" not in word])
    assert result.code == 0, result.err
    assert "a subset" not in result.out
    assert "unlisted" not in result.out


def test_missing_clips_are_named_if_few_and_counted_if_many(own_set, run_cli, tmp_path):
    (tmp_path / "own/videos/run/Film_0_run_f_nm_np1_ri_goo_0.avi").unlink()
    assert "1 clips of the split files are not here: Film_0_run_f_nm_np1_ri_goo_0.avi" in (
        run_cli("check-data", *own_set[1]).out
    )
    shutil.rmtree(tmp_path / "own/videos/run")
    assert "12 of the 24 clips that the split files name are here, 1 of 2 classes" in (
        run_cli("check-data", *own_set[1]).out
    )


# The report


class Seen(HTMLParser):
    """Tags that are open, and what an attacker's or an unlucky file name would add."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.images: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag not in ("script", "b", "link", "iframe")
        if tag == "img":
            self.images.append(dict(attrs)["src"] or "")
        elif tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_is_whole_and_holds_its_pictures(own_set, run_cli, tmp_path):
    folder = tmp_path / "own/videos/run"
    shutil.copy(folder / "Film_0_run_f_nm_np1_ri_goo_0.avi", folder / "<b>&|_run_f_nm_np1_ri_goo_0.avi")
    run_cli("check-data", *own_set[1])
    page = Seen()
    page.feed((tmp_path / "plots/data_report.html").read_text())
    assert page.open == []
    assert len(page.images) >= 2 * 4 + 2
    assert all(src.startswith("data:image/jpeg;base64,/9j/") for src in page.images)
    markdown = (tmp_path / "plots/data_report.md").read_text()
    assert "\\<b>&\\|\\_run" in markdown
    for title in ("Camera motion", "Viewpoint", "People involved", "Video quality", "Visible body"):
        assert title in markdown
    assert "| all | 12 | 4 | 8 | 1 | 13 |" in markdown


def test_markdown_leaves_out_bars():
    blocks = [Heading("A"), Paragraph("b*"), Table(("x", "", "n"), [("y_z", Bar((1,), 2), 1234)])]
    assert to_markdown(blocks) == "## A\n\nb\\*\n\n| x | n |\n| --- | ---: |\n| y\\_z | 1,234 |\n"
    assert "width:50.00%" in to_html("t", blocks)


@pytest.mark.parametrize(
    ("frames", "bins"),
    [([7], [(7, 7, 1)]), ([1, 2, 3, 3], [(1, 1, 1), (2, 2, 1), (3, 3, 2)]), ([0, 95], 10), ([0, 999], 10)],
)
def test_lengths_are_binned_in_round_steps(frames, bins):
    found = length_bins(frames)
    assert sum(count for _, _, count in found) == len(frames)
    assert (found if isinstance(bins, list) else len(found)) == bins


# Decoding once


def test_what_was_decoded_is_kept_by_content(own_set, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = load_config(own_set[1])
    first = examine(config, console=QUIET)
    folder = tmp_path / "own/videos/run"
    (folder / "Film_0_run_f_nm_np1_ri_goo_0.avi").rename(folder / "Film_9_run_f_nm_np1_ri_goo_0.avi")
    write_video(folder / "Film_1_run_f_nm_np1_ri_goo_0.avi", moving_square(13, seed=77))
    decoded = []
    original = thumbnails.thumbnails_of
    monkeypatch.setattr(
        thumbnails, "thumbnails_of", lambda path, frames: decoded.append(path.name) or original(path, frames=frames)
    )
    second = examine(config, console=QUIET)
    assert decoded == ["Film_1_run_f_nm_np1_ri_goo_0.avi"]
    assert first.findings == ()
    assert [finding.kind for finding in second.findings] == ["unlisted"]


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 half a file"])
def test_a_broken_cache_is_made_again(own_set, tmp_path, monkeypatch, content):
    monkeypatch.chdir(tmp_path)
    config = load_config(own_set[1])
    examine(config, console=QUIET)
    (cache,) = (tmp_path / ".cache/thumbnails").iterdir()
    whole = cache.read_bytes()
    cache.write_bytes(content)
    assert examine(config, console=QUIET).findings == ()
    assert len(cache.read_bytes()) == len(whole)
    assert list(cache.parent.iterdir()) == [cache]


# Headers and lengths


@pytest.mark.parametrize(
    ("headers", "decoded", "faulty"),
    [
        ([48, 36, 24, 48], [40, 30, 20, 20], [3]),  # a fifth too many is this set's habit
        ([41, 101, 61, 31], [40, 100, 60, 20], [3]),  # one too many is
        ([40, 40, 40, 40], [40, 41, 39, 40], []),
        ([0, -5, 40, 40], [40, 40, 40, 40], []),  # a header that says nothing
        ([20, 200, 2000, 100], [12, 192, 1992, 92], []),  # eight too many, whatever the length
        ([10, 10, 10], [12, 12, 12], []),
    ],
)
def test_only_a_header_that_lies_more_than_the_others_is_a_fault(headers, decoded, faulty):
    records = [record(f"run/{n}.avi", frames=frames) for n, frames in enumerate(decoded)]
    header_frames = {r.path: max(0, header) for r, header in zip(records, headers, strict=True)}
    found = find_frame_mismatches(records, header_frames, HeaderBias.of(records, header_frames))
    assert [finding.path for finding in found] == [f"run/{n}.avi" for n in faulty]


@pytest.mark.parametrize(
    ("frames", "stride", "length", "short"), [(16, 2, 15, False), (16, 2, 14, True), (1, 1, 1, False), (2, 9, 1, True)]
)
def test_short_is_less_than_half_of_the_model_input(frames, stride, length, short):
    contract = tiny_contract(frames=frames, stride=stride)
    assert bool(find_short([record(frames=length)], contract)) == short


# Names and splits


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


def test_a_name_that_differs_in_case_only_is_right():
    assert find_mislabelled([record("Handstand/v_HandStand_g01_c02.avi")], {}) == []


def test_a_clip_in_the_folder_of_another_class_than_its_list():
    listing = {("walk", "x.avi"): "train", ("run", "y.avi"): "test"}
    found = find_mislabelled([record("run/x.avi"), record("run/y.avi"), record("run/z.avi")], listing)
    assert [(finding.path, finding.detail) for finding in found] == [
        ("run/x.avi", "lies in run, the split files list it under walk")
    ]


def test_leakage_counts_sources_class_by_class():
    rows = [("run", "A", "train"), ("run", "A", "val"), ("run", "B", "val"), ("walk", "A", "val")]
    rows += [("run", "B", "test"), ("run", "C", "test"), ("walk", "B", "test"), ("run", "A", "unused")]
    records = [
        record(f"{label}/{n}.avi", split=split, source=source, frames=9)
        for n, (label, source, split) in enumerate(rows)
    ]
    val, test = measure_leakage(Manifest(Path(), tuple(records)))
    assert (val.split, val.clips, val.leaking, val.seen_in_other_class) == ("val", 3, 1, 1)
    assert (test.split, test.clips, test.leaking, test.seen_in_other_class) == ("test", 3, 1, 1)


# Duplicates


def test_the_clip_outside_of_train_is_the_duplicate():
    split_of = {"run/a.avi": "test", "run/b.avi": "train", "run/c.avi": "unused", "walk/d.avi": "train"}
    records = [record(path, split=split, md5="same") for path, split in split_of.items()]
    found = {finding.path: (finding.kind, finding.other) for finding in find_exact_duplicates(records)}
    assert found == {
        "run/a.avi": ("duplicate across splits", "run/b.avi"),
        "run/c.avi": ("duplicate", "run/b.avi"),
        "walk/d.avi": ("duplicate", "run/b.avi"),
    }


def test_footage_is_told_from_its_reverse_its_neighbour_and_the_dark():
    """A bright spot that wanders over a fixed background, `[T, 16, 16]`."""
    generator = np.random.default_rng(3)
    background = generator.integers(40, 120, size=(16, 16))

    def film(places: range, noise: int) -> np.ndarray:
        frames = np.stack([background.copy() for _ in places])
        for frame, place in zip(frames, places, strict=True):
            frame[place // 8 : place // 8 + 4, place % 12 : place % 12 + 4] = 230
        return (frames + np.random.default_rng(noise).integers(-2, 3, size=frames.shape)).astype(np.uint8)

    def compare(a: np.ndarray, b: np.ndarray) -> float | None:
        common = common_footage(frame_vectors(a), frame_vectors(b))
        return None if common is None else common[0]

    whole = film(range(0, 40), noise=1)
    assert compare(whole, film(range(0, 40), noise=2)) == 1
    assert compare(whole, film(range(5, 30), noise=2)) == 1
    assert compare(whole, film(range(20, 60), noise=2)) == pytest.approx(0.5)
    assert compare(whole, film(range(0, 40, 2), noise=2)) == 1
    darker = (whole * 0.6 + 10).astype(np.uint8)
    assert compare(whole, darker) == 1
    assert compare(whole, whole[::-1]) is None
    assert compare(whole, film(range(40, 80), noise=2)) is None
    assert compare(whole, film(range(30, 70), noise=2)) is None
    dark = np.random.default_rng(5).integers(0, 2, size=(40, 16, 16)).astype(np.uint8)
    assert compare(dark, dark) is None


def test_the_same_footage_in_another_class_is_a_remark(own_set, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    root, words = own_set
    frames = list(moving_square(14, seed=90)[..., ::-1])
    for label, code, suffix in (("run", 1, ".avi"), ("walk", 2, ".mp4")):
        name = f"Twice_{label}_f_nm_np1_ri_goo_0{suffix}"
        write_bgr(root / "videos" / label / name, frames, codec="MJPG" if suffix == ".avi" else "mp4v")
        with (root / "splits" / f"{label}_test_split1.txt").open("a") as file:
            file.write(f"{name} {code} \n")
    (finding,) = examine(load_config([*words, "data.val_fraction=0"]), console=QUIET).findings
    assert (finding.kind, finding.path) == ("same footage, other class", "walk/Twice_walk_f_nm_np1_ri_goo_0.mp4")
    assert finding.other == "run/Twice_run_f_nm_np1_ri_goo_0.avi"
    assert not finding.is_fault
