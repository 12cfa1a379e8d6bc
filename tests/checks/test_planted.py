"""check-data finds what was planted, and nothing else."""

from collections import Counter

import numpy as np
import pytest
from helpers.planting import Planting
from rich.console import Console

from action_recognition.checks.examine import examine
from action_recognition.config import load_config
from action_recognition.datasets.hmdb51 import parse_clip_name

QUIET = Console(quiet=True)
HTML = b"<!doctype html><title>404 Not Found</title>"


def found_in(planting: Planting, *overrides: str) -> set[tuple[str, str]]:
    planting.write_splits()
    checked = examine(load_config([*planting.overrides, *overrides]), console=QUIET)
    counts = Counter((finding.kind, finding.path) for finding in checked.findings)
    assert max(counts.values(), default=1) == 1
    return set(counts)


def test_one_fault_of_each_kind_in_the_tiny_set(tiny_set, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    small = ["clip.frames=4", "clip.stride=2", "clip.short_side=36", "clip.size=32", "data.val_fraction=0"]
    planting = Planting.copy(
        tiny_set / "videos", tiny_set / "splits", tmp_path / "own", split=1, classes=["run", "walk"]
    )
    assert found_in(planting, *small) == set()

    def clip(label: str, source: int, number: int) -> str:
        return f"{label}/Film_{source}_{label}_f_nm_np1_ri_goo_{number}.avi"

    planting.replace("unreadable", clip("run", 0, 0), HTML)
    planting.truncate(clip("run", 0, 1), keep=0.6)
    planting.cut_unnoticed(clip("run", 1, 0), keep=0.5)
    planting.shorten(clip("run", 1, 1), frames=2)
    planting.copy_into_test(clip("walk", 2, 0), 1)
    planting.encode_into_test(clip("walk", 3, 1), 1, suffix=".mp4", codec="mp4v", width=96, start=2, end=1)
    planting.move(clip("run", 2, 0), "walk")
    planting.leak(clip("walk", 4, 0), clip("walk", 4, 1))
    assert found_in(planting, *small) == planting.expected
    assert len({kind for kind, _ in planting.expected}) == 8


def test_twenty_faults_of_eight_kinds_among_real_clips(shared_dir, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    sample = shared_dir / "hmdb51_sample"
    classes = ["brush_hair", "catch", "clap", "golf", "pour", "pullup", "push", "shoot_bow", "stand", "wave"]
    planting = Planting.copy(sample / "videos", sample / "splits", tmp_path / "own", split=2, classes=classes)
    train, pairs = clips_to_damage(planting)
    take = iter(train)

    planting.replace("unreadable", next(take), b"")
    planting.replace("unreadable", next(take), HTML)
    planting.replace("unreadable", next(take), np.random.default_rng(0).bytes(100_000))
    for keep in (0.3, 0.7, 0.97):
        planting.truncate(next(take), keep=keep)
    for keep in (0.4, 0.6):
        planting.cut_unnoticed(next(take), keep=keep)
    for frames in (1, 9):
        planting.shorten(next(take), frames=frames)
    for number in range(2):
        planting.copy_into_test(next(take), number)
    planting.encode_into_test(next(take), 0, suffix=".avi", codec="MJPG")
    planting.encode_into_test(next(take), 1, suffix=".mp4", codec="mp4v", width=160)
    planting.encode_into_test(next(take), 2, suffix=".mp4", codec="mp4v", width=480, start=3, end=6)
    planting.encode_into_test(next(take), 3, suffix=".avi", codec="MJPG", light=20, end=10, fps=25)
    planting.move(next(take), "wave")
    planting.misplace(next(take), "clap", 1)
    for trained, tested in pairs[:2]:
        planting.leak(trained, tested)

    assert len(planting.expected) == 20
    assert len({kind for kind, _ in planting.expected}) == 8
    assert found_in(planting) == planting.expected


def clips_to_damage(planting: Planting) -> tuple[list[str], list[tuple[str, str]]]:
    """Training clips of different sources, spread over the classes; and pairs of test clips, all of their source."""
    train: list[tuple[int, str]] = []
    pairs = []
    for label, codes in planting.codes.items():
        by_source: dict[str, list[str]] = {}
        for name in sorted(codes):
            by_source.setdefault(parse_clip_name(name.removesuffix(".avi"), label=label)["source_video"], []).append(
                name
            )
        firsts = [names[0] for names in by_source.values() if codes[names[0]] == "1"]
        train += [(place, f"{label}/{name}") for place, name in enumerate(firsts) if label not in ("wave", "clap")]
        pairs += [
            (f"{label}/{names[0]}", f"{label}/{names[1]}")
            for names in by_source.values()
            if len(names) == 2 and {codes[name] for name in names} == {"2"}
        ]
    return [path for _, path in sorted(train)], pairs


@pytest.mark.parametrize("split", [2, 3])
def test_the_real_sample_has_no_findings(shared_dir, tmp_path, monkeypatch, split):
    monkeypatch.chdir(tmp_path)
    sample = shared_dir / "hmdb51_sample"
    classes = ["climb_stairs", "golf", "pullup", "sit", "stand"]
    planting = Planting.copy(sample / "videos", sample / "splits", tmp_path / "own", split=split, classes=classes)
    assert found_in(planting) == set()
