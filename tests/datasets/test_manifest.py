import hashlib
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from helpers.support import write_video

from action_recognition.config import load_config
from action_recognition.datasets.manifest import build_manifest
from action_recognition.datasets.records import read_records, source_groups
from action_recognition.errors import DataError


@pytest.fixture
def own_config(own_set):
    return load_config(own_set)


def test_rows_say_what_the_files_are(own_config, tmp_path):
    manifest = build_manifest(own_config)
    assert manifest.class_names == ("run", "walk")
    assert manifest.counts() == {"train": 12, "val": 4, "test": 8}
    for record in manifest.records:
        assert record.md5 == hashlib.md5(Path("own/videos", record.path).read_bytes()).hexdigest()
        assert (record.width, record.height, record.fps) == (64, 48, 30.0)
        assert record.frames == 10 + int(record.source_video.removeprefix("Film_"))
        assert (record.camera, record.view, record.people) == ("nm", "ri", "1")
    groups = [source_groups(manifest.split(name)) for name in ("train", "val", "test")]
    assert sum(map(len, groups)) == len(set.union(*groups))
    manifest.write(tmp_path / "m.csv")
    assert tuple(read_records(tmp_path / "m.csv")) == manifest.records


def test_the_second_time_nothing_is_decoded_and_the_data_is_not_written_into(own_config):
    before = sorted(Path("own").rglob("*"))
    first, second = [], []
    manifest = build_manifest(own_config, progress=lambda done, total: first.append(total))
    again = build_manifest(own_config, progress=lambda done, total: second.append(total))
    assert first[-1] == 24
    assert second == []
    assert again.records == manifest.records
    assert sorted(Path("own").rglob("*")) == before


def test_a_changed_video_is_noticed_even_at_the_same_size(own_config):
    before = build_manifest(own_config)
    victim = Path("own/videos") / before.records[0].path
    content = bytearray(victim.read_bytes())
    content[-5] ^= 0xFF
    victim.write_bytes(content)
    os.utime(victim, (2**31, 2**31))
    after = build_manifest(own_config)
    assert after.records[0].md5 != before.records[0].md5
    assert after.data_hash != before.data_hash


def test_the_hash_depends_on_the_split_but_not_on_where_the_data_lies(own_config):
    here = build_manifest(own_config).data_hash
    Path("own").rename("elsewhere")
    own_config.data.videos_dir, own_config.data.splits_dir = "elsewhere/videos", "elsewhere/splits"
    assert build_manifest(own_config).data_hash == here
    own_config.data.split_seed = 5
    moved = {build_manifest(own_config).data_hash}
    own_config.data.val_fraction = 0.0
    moved.add(build_manifest(own_config).data_hash)
    assert moved != {here}


def test_damaged_and_short_clips_are_set_aside_with_the_reason(own_config):
    first, second, third = sorted(Path("own/videos/run").iterdir())[:3]
    first.write_bytes(b"")
    second.write_bytes(second.read_bytes()[:2000])
    write_video(third, np.zeros((1, 48, 64, 3), dtype=np.uint8))
    manifest = build_manifest(own_config)
    unusable = {r.path.split("/")[1]: r.error for r in manifest.unusable(min_frames=2)}
    assert set(unusable) == {first.name, second.name, third.name}
    assert "empty" in unusable[first.name]
    assert "truncated" in unusable[second.name]
    assert "1 frames" in unusable[third.name]
    kept = {r.path for name in ("train", "val", "test") for r in manifest.split(name, min_frames=2)}
    assert len(kept) == 24 - 3


def test_clips_that_the_split_files_do_not_name_are_unused(own_config):
    folder = Path("own/videos/run")
    shutil.copy(folder / "Film_0_run_f_nm_np1_ri_goo_0.avi", folder / "New_run_f_nm_np1_ri_goo_0.avi")
    manifest = build_manifest(own_config)
    assert [r.path for r in manifest.records if r.split == "unused"] == ["run/New_run_f_nm_np1_ri_goo_0.avi"]


def test_a_class_folder_without_split_file_is_an_error(own_config):
    shutil.copytree("own/videos/run", "own/videos/wlk")
    with pytest.raises(DataError, match=r"'wlk'.*did you mean 'walk'"):
        build_manifest(own_config)


def test_no_training_clip_is_an_error(own_config):
    for path in Path("own/splits").glob("*_test_split2.txt"):
        path.write_text(path.read_text().replace(" 1 ", " 2 "))
    own_config.data.split = 2
    with pytest.raises(DataError, match="no usable training clip"):
        build_manifest(own_config)


def test_own_videos_are_split_by_the_pattern_given(own_set):
    overrides = ["data=folder", "data.videos_dir=own/videos", r"data.source_pattern='^Film_(\d+)_'"]
    manifest = build_manifest(load_config(overrides))
    assert {r.source_video for r in manifest.records} == set("012345")
    sources = {
        name: {r.source_video for r in manifest.split(name) if r.label == "run"} for name in ("train", "val", "test")
    }
    assert not sources["train"] & sources["test"]
    assert not sources["val"] & sources["test"]
    assert all(sources.values())


def test_real_sample_has_the_counts_of_its_splits(shared_dir, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    sample = shared_dir / "hmdb51_sample"
    places = [f"data.videos_dir={sample}/videos", f"data.splits_dir={sample}/splits"]
    manifest = build_manifest(load_config(["data=hmdb51", *places, "data.split=2"]))
    counts = manifest.counts()
    assert counts["train"] + counts["val"] == 306
    assert (counts["test"], counts["unused"]) == (237, 122)
    assert not any(record.error for record in manifest.records)
