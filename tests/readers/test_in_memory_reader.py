"""`data.in_memory`: the same batches from memory, with any reader."""

import shutil

import pytest
from helpers.batches import QUIET, batches_of, make_datamodule, same

from action_recognition.cli.cache_data import cache_data
from action_recognition.cli.export_shards import export_shards
from action_recognition.config import load_config
from action_recognition.data.prefetch import ThreadedLoader
from action_recognition.readers.shards.exported_settings import as_exported


@pytest.fixture
def words(tiny_set, tiny_overrides, tmp_path, monkeypatch):
    """Overrides of a copy of the tiny set in the working directory."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(tiny_set, tmp_path / "own")
    return [*tiny_overrides, "data.videos_dir=own/videos", "data.splits_dir=own/splits", "data.shards.dir=shards"]


@pytest.mark.parametrize("name", ["decoding", "clip store, raw", "shards"])
def test_batches_from_memory_are_the_same(words, name):
    config = load_config(words)
    if name == "clip store, raw":
        cache_data(config, console=QUIET)
    if name == "shards":
        export_shards(config, console=QUIET)
        config = as_exported(load_config(["data=shards", "data.shards.url=shards", *words[3:]]))
    plain = make_datamodule(config)
    config.data.in_memory = True
    kept = make_datamodule(config)
    records = plain.records("train")
    assert kept.reader.describe(records) == plain.reader.describe(records)
    assert (kept.reader.name, plain.reader.name) == ("memory", name)
    for epoch in range(2):
        for loader in ("train_dataloader", "test_dataloader"):
            expected, found = (batches_of(getattr(module, loader)(), epoch) for module in (plain, kept))
            assert same(found, expected)
            assert not any(batch.errors for batch in found)


def test_every_clip_is_read_once_and_then_from_memory(words, tmp_path):
    datamodule = make_datamodule(load_config(words), in_memory=True)
    first = batches_of(datamodule.train_dataloader())
    shutil.rmtree(tmp_path / "own/videos")
    assert same(first, batches_of(datamodule.train_dataloader()))
    errors = [line for batch in batches_of(datamodule.test_dataloader()) for line in batch.errors]
    assert len(errors) == 8  # test clips were not read before


def test_threads_share_the_clips_if_no_number_of_workers_is_given(words):
    loader = make_datamodule(load_config(words), in_memory=True, num_workers=-1).train_dataloader()
    assert (type(loader), loader.num_workers) == (ThreadedLoader, 0)
    assert sum(len(batch.label_B) for batch in loader) == 12
