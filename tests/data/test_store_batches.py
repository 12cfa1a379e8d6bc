"""The store behind the datamodule, the command and training."""

import re
import shutil

import numpy as np
import pytest
import torch
from helpers.batches import batches_of, make_datamodule, same
from torch.utils.data import DataLoader

from action_recognition.config import load_config
from action_recognition.data.dataset import KeyedGenerator
from action_recognition.data.prefetch import ThreadedLoader


@pytest.fixture
def cached(run_cli, tiny_overrides, tmp_path):
    """Runs `cache-data` on the tiny set; its `overrides` name the store."""
    overrides = [*tiny_overrides, f"data.cache.dir={tmp_path}/kept"]

    def run(*more):
        result = run_cli("cache-data", *overrides, *more)
        assert result.code == 0, result.err
        return result.out

    run.overrides = overrides
    return run


def datamodule(overrides, *more):
    return make_datamodule(load_config([*overrides, *more]))


def loaders(module):
    return module.train_dataloader(), module.val_dataloader(), module.test_dataloader()


def test_batches_from_the_store_are_those_of_the_videos(cached):
    crops = "data.test_crops=3"
    decoding = loaders(datamodule(cached.overrides, crops, "data.cache.dir=null"))
    expected = [batches_of(loader) for loader in decoding]
    cached("data.cache.codec=raw")
    for workers, kind in ((0, DataLoader), (2, DataLoader), (-1, ThreadedLoader)):
        module = datamodule(cached.overrides, crops, f"data.num_workers={workers}")
        for loader, batches_of_split in zip(loaders(module), expected, strict=True):
            assert type(loader) is kind
            next(iter(loader))  # an epoch that is left early
            assert same(batches_of(loader), batches_of_split)
    cached("data.cache.codec=jpeg")
    module = datamodule(cached.overrides, crops, "data.cache.codec=jpeg", "data.num_workers=-1")
    for loader, batches_of_split in zip(loaders(module), expected, strict=True):
        assert type(loader) is DataLoader
        for a, b in zip(batches_of(loader), batches_of_split, strict=True):
            assert (a.clip_BCTHW.float() - b.clip_BCTHW.float()).abs().mean() < 6
            assert torch.equal(a.index_B, b.index_B)


def test_the_store_alone_is_enough_and_clips_that_it_lacks_are_decoded(cached, tiny_set, tmp_path):
    shutil.copytree(tiny_set, tmp_path / "own")
    own = [f"data.videos_dir={tmp_path}/own/videos", "data.cache.codec=raw", "data.num_workers=-1"]
    cached(*own)
    module = datamodule(cached.overrides, *own)
    expected = batches_of(module.train_dataloader())
    for path in clips_in(tmp_path)[::2]:
        path.unlink()
    decoding = datamodule(cached.overrides, *own).train_dataloader()
    assert type(decoding) is DataLoader
    assert same(batches_of(decoding), expected)
    cached(*own)
    shutil.rmtree(tmp_path / "own/videos")
    assert same(batches_of(module.train_dataloader()), expected)


def clips_in(folder):
    return sorted((folder / "kept").rglob("*.clip"))


def damage(paths, place):
    for path in paths:
        content = bytearray(path.read_bytes())
        content[place] ^= 0x10
        path.write_bytes(content)


@pytest.mark.parametrize(("codec", "place"), [("raw", 5000), ("raw", 9), ("raw", 20), ("jpeg", 5000)])
@pytest.mark.parametrize("workers", [-1, 2])
def test_damaged_entries_are_decoded_and_named(cached, tmp_path, capfd, codec, place, workers):
    cached(f"data.cache.codec={codec}")
    names = [f"data.cache.codec={codec}", f"data.num_workers={workers}"]
    stored = batches_of(datamodule(cached.overrides, *names).train_dataloader())
    decoded = batches_of(datamodule(cached.overrides, "data.cache.dir=null").train_dataloader())
    damage(clips_in(tmp_path), place)
    capfd.readouterr()
    assert same(batches_of(datamodule(cached.overrides, *names).train_dataloader()), decoded)
    assert "damaged" in capfd.readouterr().err
    out = cached(f"data.cache.codec={codec}")
    assert re.search("24 clips built.*0 reused", out)
    assert out.count("decoded anew") == 24
    assert same(batches_of(datamodule(cached.overrides, *names).train_dataloader()), stored)


def test_a_damaged_store_that_cannot_be_written_is_trained_from(run_cli, cached, tmp_path):
    cached("data.cache.codec=raw")
    damage(clips_in(tmp_path), 9)
    before = {path: path.read_bytes() for path in clips_in(tmp_path)}
    for folder in [tmp_path / "kept", *(tmp_path / "kept").iterdir()]:
        folder.chmod(0o500)
    result = run_cli("train", *cached.overrides, "trainer.max_epochs=1", "data.num_workers=-1")
    assert result.code == 0, result.err
    assert "skipped" not in result.out
    assert "holds 0 of 16 clips" in result.out
    assert re.search("its video is decoded instead(.|\n)*more entries are damaged", result.err)
    assert {path: path.read_bytes() for path in clips_in(tmp_path)} == before
    checked = run_cli("check-data", *cached.overrides)
    assert checked.code == 0, checked.err
    assert "damaged in the store (24)" in checked.out


def test_what_the_command_prints_and_training_from_its_store(run_cli, cached, tmp_path):
    out = cached()
    assert "24 clips as raw" in out
    assert re.search("24 clips built(.|\n)*next: python commands.py train", out)
    assert re.search("0 clips built.*24 reused", cached())
    trained = run_cli("train", *cached.overrides, "trainer.max_epochs=1", "data.num_workers=-1")
    assert trained.code == 0, trained.err
    assert "holds 16 of 16 clips (raw)" in trained.out
    # Another short side is another contract: all clips are built again, and the old entries are reported.
    assert re.search("24 clips built(.|\n)*24 entries(.|\n)*data.cache.prune=true", cached("clip.short_side=40"))
    assert "24 entries" in cached("data.cache.prune=true")
    assert len(clips_in(tmp_path)) == 24
    assert "as jpeg, quality 95: raw is" in cached("data.cache.max_gigabytes=0.000001")


def test_a_changed_video_is_noticed(cached, tiny_set, tmp_path):
    shutil.copytree(tiny_set, tmp_path / "own")
    own = f"data.videos_dir={tmp_path}/own/videos"
    cached(own)
    one, other = sorted((tmp_path / "own/videos/run").iterdir())[:2]
    one.write_bytes(other.read_bytes()[:-1] + b"x")
    assert re.search("1 clips built.*23 reused(.|\n)*1 entries", cached(own))


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("data.cache.codec=png", "auto, raw, jpeg"),
        ("data.cache.quality=0", "1 to 100"),
        ("data.cache.dir=null", "data.cache.dir"),
        ("data.cache.dir=/proc/store", "/proc/store"),
    ],
)
def test_an_invalid_setting_is_one_line(run_cli, cached, override, expected):
    result = run_cli("cache-data", *cached.overrides, override)
    assert (result.code, result.err.count("\n")) == (1, 1)
    assert expected in result.err


def test_a_reused_generator_is_a_new_one():
    reused = KeyedGenerator()
    for seed in (5, 2**63 - 1, 0, 5):
        new = np.random.Generator(np.random.Philox(key=seed))
        # An odd number of 32-bit draws leaves half a word behind, which must not reach the next seed.
        for draw in (lambda g: g.integers(0, 7, dtype=np.int32), lambda g: g.random(3)):
            assert np.array_equal(draw(reused.at(seed)), draw(np.random.Generator(np.random.Philox(key=seed))))
        assert reused.at(seed).integers(0, 1000, size=9).tolist() == new.integers(0, 1000, size=9).tolist()
