import shutil

import numpy as np
import pytest
import torch
from helpers.batches import batches_of, make_datamodule, same
from helpers.clips import read_all

from action_recognition.config import load_config
from action_recognition.data.datamodule import ClipDataModule, make_contract
from action_recognition.data.dataset import ClipDataset
from action_recognition.datasets.manifest import build_manifest
from action_recognition.errors import ConfigError, DataError


def test_batches_are_uint8_clips_of_the_contract(tiny_config):
    datamodule = make_datamodule(tiny_config)
    train = batches_of(datamodule.train_dataloader())
    assert sum(len(batch.label_B) for batch in train) == 12
    assert {batch.clip_BCTHW.dtype for batch in train} == {torch.uint8}
    # Training clips keep the margin that random crops are cut from.
    assert train[0].clip_BCTHW.shape == (4, 3, 4, 36, 36)
    assert batches_of(datamodule.val_dataloader())[0].clip_BCTHW.shape[1:] == (3, 4, 32, 32)
    assert batches_of(datamodule.test_dataloader())[0].index_B.tolist() == [0, 0, 1, 1], "two views per video"


def test_what_is_drawn_depends_on_the_epoch_not_on_the_workers(tiny_config):
    alone = make_datamodule(tiny_config, num_workers=0)
    helped = ClipDataModule(tiny_config, alone.manifest, alone.contract, seed=1)
    first = batches_of(alone.train_dataloader())
    tiny_config.data.num_workers = 2
    second = batches_of(helped.train_dataloader())
    assert same(first, second)
    other = batches_of(alone.train_dataloader(), epoch=1)
    assert not torch.equal(torch.cat([b.index_B for b in first]), torch.cat([b.index_B for b in other]))


@pytest.mark.parametrize("crops", [1, 3])
def test_views_and_crops_are_cut_from_the_decoded_frames(tiny_config, crops):
    datamodule = make_datamodule(tiny_config)
    record, contract = datamodule.records("test")[0], datamodule.contract
    videos_dir, size, span = datamodule.manifest.videos_dir, contract.size, contract.span
    whole = read_all(videos_dir / record.path, short_side=contract.short_side)
    top, room = (whole.shape[1] - size) // 2, whole.shape[2] - size
    lefts = (room // 2,) if crops == 1 else (0, room // 2, room)
    expected = [
        whole[start : start + span : 2, top : top + size, left : left + size].transpose(3, 0, 1, 2)
        for start in (0, record.frames - span)
        for left in lefts
    ]
    views = ClipDataset([record], videos_dir, contract, views=2, crops=crops).__getitems__([0]).clip_BCTHW
    assert np.array_equal(views.numpy(), np.stack(expected))


def test_a_clip_that_breaks_later_is_skipped_and_named(tiny_config, tiny_set, tmp_path):
    shutil.copytree(tiny_set, tmp_path / "own")
    tiny_config.data.videos_dir, tiny_config.data.splits_dir = "own/videos", "own/splits"
    datamodule = make_datamodule(tiny_config)
    victim = tmp_path / "own/videos" / datamodule.records("train")[0].path
    victim.write_bytes(b"gone")
    train = batches_of(datamodule.train_dataloader())
    (error,) = [line for batch in train for line in batch.errors]
    assert victim.name in error
    assert sum(len(batch.label_B) for batch in train) == 11


def test_a_batch_of_nothing_but_errors_is_empty(tiny_config, tmp_path):
    datamodule = make_datamodule(tiny_config)
    record = datamodule.records("test")[0]
    batch = ClipDataset([record], tmp_path, datamodule.contract, views=1).__getitems__([0])
    assert len(batch.clip_BCTHW) == len(batch.label_B) == 0
    assert [line.split(":")[0] for line in batch.errors] == [str(tmp_path / record.path)]


def test_an_empty_split_is_an_error_that_names_it(tiny_config, tiny_set, tmp_path):
    shutil.copytree(tiny_set / "splits", tmp_path / "splits")
    for path in (tmp_path / "splits").iterdir():
        path.write_text(path.read_text().replace(" 2 ", " 0 "))
    datamodule = make_datamodule(tiny_config, splits_dir=str(tmp_path / "splits"))
    with pytest.raises(DataError, match="no test clips under split 1"):
        datamodule.test_dataloader()


def test_real_clips_become_batches(shared_dir, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    sample = shared_dir / "hmdb51_sample"
    places = [f"data.videos_dir={sample}/videos", f"data.splits_dir={sample}/splits"]
    config = load_config(["data=hmdb51", *places, "data.split=2", "data.num_workers=0"])
    batch = next(iter(make_datamodule(config).train_dataloader()))
    assert batch.clip_BCTHW.shape == (16, 3, 16, 128, 128)
    assert batch.errors == ()
    assert batch.clip_BCTHW.float().std() > 20


def test_repeated_draws_decode_a_clip_once(tiny_config, monkeypatch):
    from action_recognition.data import dataset

    datamodule = make_datamodule(tiny_config, clips_per_video=2)
    calls = []
    read = dataset.open_clip

    def counted(path, frame_format):
        calls.append(path)
        return read(path, frame_format)

    monkeypatch.setattr(dataset, "open_clip", counted)
    made = batches_of(datamodule.train_dataloader())
    assert len(calls) == len(datamodule.records("train"))
    assert sum(len(batch.index_B) for batch in made) == 2 * len(calls)
    assert made[0].index_B[0] == made[0].index_B[1]
    assert not torch.equal(made[0].clip_BCTHW[0], made[0].clip_BCTHW[1]), "another moment of the same video"


def test_an_unknown_class_in_keep_direction_is_refused(tiny_config):
    tiny_config.augment.keep_direction = ["walk", "runs"]
    with pytest.raises(ConfigError, match=r"keep_direction: runs is no class \(did you mean 'run'\?\)"):
        make_contract(tiny_config, build_manifest(tiny_config))
