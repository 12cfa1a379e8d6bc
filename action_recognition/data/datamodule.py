"""The LightningDataModule: manifest to batches."""

from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader

from action_recognition.config import Config
from action_recognition.config.checking import shown
from action_recognition.contract import ClipContract
from action_recognition.data.dataset import ClipBatch, ClipDataset, already_collated
from action_recognition.data.prefetch import ThreadedLoader
from action_recognition.data.samplers import EpochSampler, rank_and_world
from action_recognition.data.shard_batches import ShardBatches, lane_workers
from action_recognition.datasets import dataset_of
from action_recognition.datasets.records import ClipRecord, Manifest
from action_recognition.errors import ConfigError, DataError, did_you_mean
from action_recognition.readers.base import Place
from action_recognition.readers.open import open_clip_reader
from action_recognition.utils.cpu import available_cores

MAX_WORKERS = 8


def make_contract(config: Config, manifest: Manifest) -> ClipContract:
    """The clip contract that a data configuration and its manifest describe.

    Raises:
        ConfigError: if `augment.keep_direction` names what is no class: the one that was meant would be mirrored.
    """
    unknown = [name for name in config.augment.keep_direction if name not in manifest.class_names]
    if unknown:
        close = did_you_mean(unknown[0], manifest.class_names)
        raise ConfigError(
            f"augment.keep_direction: {shown(unknown[0])} is no class{close}; "
            f"expected some of {shown(manifest.class_names)}"
        )
    clip = config.clip
    return ClipContract(
        frames=clip.frames,
        stride=clip.stride,
        short_side=clip.short_side,
        size=clip.size,
        mean=tuple(clip.mean),
        std=tuple(clip.std),
        class_names=manifest.class_names,
        short_clip=clip.short_clip,
        data_hash=manifest.data_hash,
        channels=len(clip.mean),
        bits=clip.bits,
    )


def worker_count(requested: int) -> int:
    """-1 means one per core that this process may use, at most `MAX_WORKERS`."""
    if requested >= 0:
        return requested
    return min(available_cores(), MAX_WORKERS)


def one_thread(_worker: int = 0) -> None:
    """Workers are the parallelism; threads inside each would fight over the same cores."""
    torch.set_num_threads(1)


class ClipDataModule(L.LightningDataModule):
    """Loaders over a manifest.

    Training batches hold one random clip a video, `short_side` pixels square, for the model to augment; validation
    one centre clip; test `test_clips` clips per video, next to each other in the batch. Videos that the manifest marks
    unusable are left out. Frames come from where `open_clip_reader` finds them.

    Args:
        contract: how clips are cut; its `class_names` number the labels.
        seed: of shuffling and clip positions.
    """

    def __init__(self, config: Config, manifest: Manifest, contract: ClipContract, *, seed: int) -> None:
        super().__init__()
        self.config = config
        self.data = config.data
        self.manifest = manifest
        self.contract = contract
        self.seed = seed
        self.reader = open_clip_reader(config, manifest, short_side=contract.short_side)

    def records(self, split: str) -> list[ClipRecord]:
        """Usable clips of a split.

        Raises:
            DataError: if there is none.
        """
        records = self.manifest.split(split, min_frames=self.contract.min_frames)
        if not records:
            raise DataError(f"{self.data.name}: {self._why_empty(split)}")
        unknown = sorted({record.label for record in records} - set(self.contract.class_names))
        if unknown:
            raise DataError(f"{self.data.name}: classes {', '.join(unknown)} are not in the model's contract")
        return records

    def _why_empty(self, split: str) -> str:
        if dataset_of(self.data).is_video:
            under = f"under split {self.data.split}"
        else:
            fractions = {"val": self.data.val_fraction, "test": self.data.test_fraction}
            named = {split: fractions[split]} if split in fractions else fractions
            shares = ", ".join(f"data.{name}_fraction={share:g}" for name, share in named.items())
            under = f"with {shares}: there is no {split} split"
        return f"no {split} clips {under}; see what there is: python commands.py check-data"

    def train_dataloader(self) -> DataLoader[ClipBatch]:
        return self._loader(self._dataset("train", views=0), batch_size=self.data.batch_size, shuffle=True)

    def val_dataloader(self) -> DataLoader[ClipBatch]:
        return self._loader(self._dataset("val", views=1), batch_size=self.data.batch_size)

    def test_dataloader(self) -> DataLoader[ClipBatch]:
        return self.evaluation_dataloader("test")

    def evaluation_dataloader(self, split: str) -> DataLoader[ClipBatch]:
        """Several views per video, of any split; a batch holds about `batch_size` clips."""
        clips, crops = self.data.test_clips, self.data.test_crops
        videos = max(1, self.data.batch_size // (clips * crops))
        return self._loader(self._dataset(split, views=clips, crops=crops), batch_size=videos)

    def single_pass_loader(self, split: str, number: int) -> DataLoader[ClipBatch]:
        """Every clip of a split once: a random clip of each training video, another one for each `number`."""
        if split != "train":
            return self._loader(self._dataset(split, views=1), batch_size=self.data.batch_size)
        dataset = self._dataset(split, views=0)
        sampler = EpochSampler(dataset.label_N, seed=self.seed)
        sampler.set_epoch(number)
        return self._loader(dataset, batch_size=self.data.batch_size, order={"sampler": sampler})

    def labels(self, split: str) -> NDArray[np.int64]:
        """`[N]`: the class of each clip of a split."""
        number = {name: number for number, name in enumerate(self.contract.class_names)}
        return np.array([number[record.label] for record in self.records(split)], dtype=np.int64)

    def _dataset(self, split: str, *, views: int, crops: int = 1) -> ClipDataset:
        jitter = self.config.augment.temporal_jitter
        videos_dir = Path(self.manifest.videos_dir)
        return ClipDataset(
            self.records(split),
            videos_dir,
            self.contract,
            views=views,
            crops=crops,
            temporal_jitter=jitter,
            reader=self.reader,
        )

    def _loader(
        self,
        dataset: ClipDataset,
        *,
        batch_size: int,
        shuffle: bool = False,
        order: dict[str, Any] | None = None,
    ) -> DataLoader[ClipBatch]:
        workers = min(worker_count(self.data.num_workers), len(dataset))
        if (places := self.reader.places(dataset.records)) is not None:
            workers = lane_workers(workers)
            order = self._shard_order(places, batch_size, shuffle, workers)
        else:
            order = {"batch_size": batch_size, **order} if order else self._order(dataset, batch_size, shuffle)
        kind: type[DataLoader[ClipBatch]] = DataLoader
        if self.data.num_workers < 0 and self.reader.only_copies(dataset.records):
            kind, workers = ThreadedLoader, 0
        return kind(
            dataset,
            num_workers=workers,
            collate_fn=already_collated,
            worker_init_fn=one_thread,
            persistent_workers=workers > 0,
            pin_memory=torch.cuda.is_available(),
            # Or starting workers would draw from the generator that dropout draws from.
            generator=torch.Generator().manual_seed(self.seed),
            **order,
        )

    def _order(self, dataset: ClipDataset, batch_size: int, shuffle: bool) -> dict[str, Any]:
        """What makes the batches of clips that can be read in any order."""
        rank, world = rank_and_world()
        if not shuffle:
            # Every process judges clips of its own; the metrics put them together.
            return {"batch_size": batch_size, "sampler": range(rank, len(dataset), world)}
        sampler = EpochSampler(
            dataset.label_N,
            seed=self.seed,
            balanced=self.data.sampling == "class_balanced",
            repeats=self.data.clips_per_video,
            batch_size=batch_size,
            rank=rank,
            world=world,
        )
        # A last batch of one clip has no variance for batch norm to work with.
        drop_last = len(sampler) > batch_size and len(sampler) % batch_size == 1
        return {"batch_size": batch_size, "sampler": sampler, "drop_last": drop_last}

    def _shard_order(self, places: list[Place], batch_size: int, shuffle: bool, workers: int) -> dict[str, Any]:
        """The same for clips that should be read together with those next to them."""
        if self.data.sampling != "shuffle" or self.data.clips_per_video > 1:
            raise ConfigError(
                "data=shards: clips come in the order of the shards; leave data.sampling, clips_per_video"
            )
        rank, world = rank_and_world()
        batches = ShardBatches(
            places,
            batch_size=batch_size,
            shuffle=shuffle,
            buffer=self.data.shards.buffer,
            seed=self.seed,
            rank=rank,
            world=world,
        )
        self.reader.keep(batches.clips_ahead(workers))
        return {"batch_sampler": batches}
