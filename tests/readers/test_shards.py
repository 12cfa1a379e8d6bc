"""Shards: written from videos or the store, read by plain webdataset and by `data=shards`."""

import hashlib
import json
import os
import shutil
import tarfile

import cv2
import numpy as np
import pytest
import torch
import webdataset
from filelock import FileLock
from helpers.batches import QUIET, batches_of, make_datamodule
from helpers.clips import read_all
from helpers.shards import FEW_CLIPS, contents, flip_a_bit, index_of, read, truncate
from torch.testing._internal.distributed.fake_pg import FakeStore

from action_recognition.cli.export_shards import export_shards
from action_recognition.config import load_config
from action_recognition.data.load import load_manifest
from action_recognition.datasets.manifest import build_manifest
from action_recognition.errors import ContractError, DataError
from action_recognition.export.checkpoint import real_clips
from action_recognition.models.module import VideoActionModel
from action_recognition.tracking.run_folders import resolve_checkpoint


def through_jpeg(frames_THWC):
    """Frames after JPEG compression of quality 95."""
    encoded = [cv2.imencode(".jpg", frame[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 95])[1] for frame in frames_THWC]
    return np.stack([cv2.imdecode(jpeg, cv2.IMREAD_COLOR)[..., ::-1] for jpeg in encoded])


def test_plain_webdataset_reads_clips_and_their_records(shards, tiny_config, tiny_set):
    records = {record.path: record for record in build_manifest(tiny_config).records}
    seen = []
    for split in ("train", "val", "test"):
        urls = sorted(map(str, shards.glob(f"{split}-*.tar")))
        for sample in webdataset.WebDataset(urls, shardshuffle=False).decode("rgb8"):
            about = sample["json"]
            record = records[about["path"]]
            frames_THWC = np.stack([sample[f"{number:04d}.jpg"] for number in range(record.frames)])
            expected_THWC = through_jpeg(read_all(tiny_set / "videos" / record.path, short_side=36))
            assert frames_THWC.shape == expected_THWC.shape
            assert np.abs(frames_THWC.astype(int) - expected_THWC).mean() < 1  # another JPEG decoder
            assert about["class"] == ("run", "walk").index(record.label)
            for name in ("split", "label", "source_video", "frames", "md5"):
                assert about[name] == getattr(record, name)
            assert f"{record.frames:04d}.jpg" not in sample
            seen.append(about["path"])
    assert sorted(seen) == sorted(records)


def test_the_index_matches_the_files(shards, tiny_config):
    index = index_of(shards)
    assert index["clips"] == {"train": 12, "val": 4, "test": 8}
    assert index["contract"]["data_hash"] == build_manifest(tiny_config).data_hash
    assert index["contract"]["class_names"] == ["run", "walk"]
    assert len(index["shards"]) > 6
    for shard in index["shards"]:
        content = (shards / shard["file"]).read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (shard["bytes"], shard["sha256"])
        assert len(content) <= 60_000 or shard["clips"] == 1
        with tarfile.open(shards / shard["file"]) as tar:
            starts = {member.name.split(".")[0]: member.offset for member in reversed(tar.getmembers())}
            assert {(m.mtime, m.uid, m.gid, m.uname) for m in tar.getmembers()} == {(0, 0, 0, "")}
        assert sorted(starts.values()) == shard["offsets"][:-1]


@pytest.mark.parametrize("codec", ["raw", "jpeg"])
def test_the_same_clips_give_the_same_bytes_from_videos_and_from_the_store(
    codec, shards, tiny_overrides, run_cli, tmp_path
):
    overrides = [*tiny_overrides, FEW_CLIPS, "data.cache.dir=store", f"data.cache.codec={codec}"]
    assert run_cli("cache-data", *overrides).code == 0
    done = run_cli("export-shards", *overrides, "data.shards.dir=shards/again")
    assert done.code == 0
    assert "holds 24 of 24 clips" in done.out
    assert contents(tmp_path / "shards/again") == contents(shards)


def test_shards_that_are_there_are_left_alone_and_others_replaced(shards, tiny_overrides, tiny_config):
    times = {path: path.stat().st_mtime_ns for path in shards.iterdir()}
    export = [*tiny_overrides, FEW_CLIPS, f"data.shards.dir={shards}"]
    export_shards(load_config(export), console=QUIET)
    assert times == {path: path.stat().st_mtime_ns for path in shards.iterdir()}
    next(shards.glob("*.tar")).unlink()
    export_shards(load_config(export), console=QUIET)
    assert times.keys() == set(shards.iterdir())
    export_shards(load_config([*export, "clip.short_side=40"]), console=QUIET)
    assert index_of(shards)["contract"]["short_side"] == 40


def test_an_interrupted_export_loses_nothing(shards, tiny_overrides, tiny_set, tmp_path, monkeypatch):
    before = contents(shards)
    own = shutil.copytree(tiny_set, tmp_path / "own")
    changed = load_config([*tiny_overrides, f"data.videos_dir={own}/videos", f"data.shards.dir={shards}"])
    build_manifest(changed)  # finds all videos whole
    broken = next((own / "videos/walk").iterdir())
    stat = broken.stat()
    broken.write_bytes(bytes(stat.st_size))
    os.utime(broken, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    for killed_between_two_renames in (False, True):
        if killed_between_two_renames:
            shards.rename(shards.with_name(f".{shards.name}.replaced.partial"))
        with pytest.raises(Exception, match=broken.name):
            export_shards(changed, console=QUIET)
        assert contents(shards) == before
        assert [path.name for path in shards.parent.iterdir() if path.is_dir()] == [shards.name]


def test_other_folders_and_those_in_use_are_left_alone(shards, tiny_overrides, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/thesis.tex").write_text("years")
    with pytest.raises(DataError, match=r"mine: holds thesis.tex.*another folder"):
        export_shards(load_config([*tiny_overrides, f"data.shards.dir={tmp_path}/mine"]), console=QUIET)
    assert contents(tmp_path / "mine") == {"thesis.tex": b"years"}
    with FileLock(shards.with_name(f".{shards.name}.lock.tmp")), pytest.raises(DataError, match="is already running"):
        export_shards(load_config([*tiny_overrides, f"data.shards.dir={shards}"]), console=QUIET)


def test_batches_have_the_frames_of_the_videos(shards, tiny_config):
    of_videos = make_datamodule(tiny_config)
    of_shards = make_datamodule(read(shards))
    assert of_shards.contract == of_videos.contract
    for split, views in (("train", 0), ("val", 1), ("test", 2)):
        expected = of_videos._dataset(split, views=views)
        places = {record.path: number for number, record in enumerate(expected.records)}
        loaders = {"train": of_shards.train_dataloader, "val": of_shards.val_dataloader}
        batches = batches_of(loaders.get(split, of_shards.test_dataloader)())
        records = of_shards.records(split)
        assert sorted(record.path for record in records) == sorted(places)
        if split == "train":  # the same draws
            draws = {d.index: d.seed for batch in of_shards.train_dataloader().batch_sampler for d in batch}
        for batch in batches:
            assert batch.clip_BCTHW.dtype == torch.uint8
            for start in range(0, len(batch.label_B), max(1, views)):
                index = int(batch.index_B[start])
                place = places[records[index].path]
                example = expected.__getitems__([(place, draws[index]) if split == "train" else place])
                clips = batch.clip_BCTHW[start : start + max(1, views)]
                assert batch.label_B[start] == example.label_B[0]
                assert clips.shape == example.clip_BCTHW.shape
                assert (clips.int() - example.clip_BCTHW.int()).abs().float().mean() < 6  # JPEG, of noise


def test_two_ranks_share_an_epoch(shards):
    parts = []
    for rank in range(2):
        torch.distributed.init_process_group("fake", store=FakeStore(), rank=rank, world_size=2)
        try:
            datamodule = make_datamodule(read(shards))
            loaders = (datamodule.train_dataloader(), datamodule.test_dataloader())
            parts.append([[index for batch in loader for index in batch.index_B.tolist()] for loader in loaders])
        finally:
            torch.distributed.destroy_process_group()
    (train, test), (other_train, other_test) = parts
    assert len(train) == len(other_train) == 6
    assert sorted(train + other_train) == list(range(12))
    assert sorted(set(test + other_test)) == list(range(8))
    assert len(test) + len(other_test) == 16  # two views per video
    # A rank with fewer clips than others ends with an empty batch.
    batch = datamodule._dataset("val", views=1).__getitems__([])
    assert len(batch.label_B) == len(batch.clip_BCTHW) == 0


@pytest.mark.parametrize(
    ("name", "damage", "line"),
    [
        ("index.json", lambda text: b"{}", "not an index of shards"),
        ("index.json", lambda text: b"<html>", "not an index of shards"),
        ("index.json", lambda text: text.replace(b'"version": 1,', b'"version": 9,', 1), "version 9, expected 1"),
        ("index.json", lambda text: text.replace(b'"clips": 2, ', b'"clips": 1, ', 1), "contradicts itself"),
        ("manifest.csv", lambda text: text.replace(b"run", b"ran"), "not the one that index.json was written with"),
    ],
)
def test_an_index_that_does_not_fit_is_refused(name, damage, line, shards):
    (shards / name).write_bytes(damage((shards / name).read_bytes()))
    with pytest.raises(DataError, match=line):
        load_manifest(read(shards), QUIET)


@pytest.mark.parametrize("damage", [truncate, flip_a_bit, lambda content: b"", None])
def test_a_damaged_shard_is_refused(damage, shards):
    victim = next(shards.glob("train-*1.tar"))
    content = victim.read_bytes()
    victim.unlink()
    if damage:
        victim.write_bytes(damage(content))
    line = "not the file of index.json" if damage else "no such file"
    with pytest.raises(DataError, match=f"^{victim}: {line}"):
        batches_of(make_datamodule(read(shards)).train_dataloader())


def test_a_damaged_shard_ends_a_training_with_workers_with_that_line(shards, tiny_overrides, run_cli):
    victim = next(shards.glob("train-*1.tar"))
    victim.write_bytes(flip_a_bit(victim.read_bytes()))
    rest = [o for o in tiny_overrides if not o.startswith("data")]
    done = run_cli("train", *rest, "data=shards", f"data.shards.url={shards}", "data.num_workers=2")
    assert done.code == 1
    assert done.err.startswith(f"error: {victim}: not the file of index.json")
    assert done.err.count("\n") == 1


def test_what_was_exported_is_the_default_and_can_be_changed(shards):
    assert read(shards).data.name == "hmdb51"
    clip = read(shards).clip
    assert (clip.frames, clip.stride, clip.short_side, clip.size) == (4, 2, 36, 32)
    clip = read(shards, "clip.frames=8", "clip.size=28").clip
    assert (clip.frames, clip.stride, clip.size) == (8, 2, 28)
    with pytest.raises(DataError, match=r"clip.short_side=40: the frames in .* have 36.*export-shards"):
        make_datamodule(read(shards, "clip.short_side=40"))
    with pytest.raises(ContractError, match="short_side=36: expected at least size=40"):
        make_datamodule(read(shards, "clip.size=40"))


@pytest.mark.parametrize("command", ["download-data", "check-data", "cache-data", "export-shards"])
def test_commands_that_read_videos_refuse_shards(command, run_cli):
    done = run_cli(command, "data=shards", "data.shards.url=x")
    line = "error: data=shards: this command reads videos; name the data set itself, such as data=hmdb51\n"
    assert (done.code, done.err) == (1, line)


def test_training_with_dvc_refuses_shards(shards, run_cli):
    done = run_cli("train-ml-flow-dvc", "data=shards", f"data.shards.url={shards}")
    assert done.code == 1
    assert "data.dvc pins videos" in done.err


def test_train_evaluate_and_resume_from_shards(tiny_overrides, run_cli, tmp_path):
    assert run_cli("export-shards", *tiny_overrides, "data.shards.dir=shards/tiny").code == 0
    for path in (tmp_path / ".cache").rglob("*.csv"):
        path.unlink()
    words = [o for o in tiny_overrides if not o.startswith(("data=", "data."))]
    words += ["data=shards", "data.shards.url=shards/tiny", "data.batch_size=4", "data.num_workers=0"]
    trained = run_cli("train", *words)
    assert trained.code == 0, trained.err
    assert "reading shards from shards/tiny" in trained.out
    assert "12 train, 4 val, 8 test" in trained.out
    evaluated = run_cli("infer", f"plots_dir={tmp_path}/plots", f"evaluation.metrics={tmp_path}/metrics.json")
    assert evaluated.code == 0, evaluated.err
    assert json.loads((tmp_path / "metrics.json").read_text())["clips"] == 8
    resumed = run_cli("train", "trainer.resume=last", f"plots_dir={tmp_path}/plots", "trainer.max_epochs=3")
    assert resumed.code == 0, resumed.err
    assert "epoch   3/3" in resumed.out
    model = VideoActionModel.from_checkpoint(resolve_checkpoint("best", plots_dir=f"{tmp_path}/plots"))
    clip_BCTHW = real_clips(read("shards/tiny"), model, QUIET)  # what an export is compared on
    assert clip_BCTHW.shape[1:] == model.contract.clip_shape
