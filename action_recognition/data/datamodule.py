"""The LightningDataModule: from manifest to batches."""

from dataclasses import asdict
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
from action_recognition.data.samplers import EpochSampler, own_share, rank_and_world
from action_recognition.data.shard_batches import ShardBatches, floor_power_of_two
from action_recognition.datasets import dataset_of
from action_recognition.datasets.records import ClipRecord, Manifest
from action_recognition.errors import ConfigError, DataError, did_you_mean
from action_recognition.readers.base import Place
from action_recognition.readers.open import open_clip_reader
from action_recognition.utils.cpu import available_cores

MAX_WORKERS = 8


def make_contract(config: Config, manifest: Manifest) -> ClipContract:
    """The clip contract of a configuration and its manifest.

    Raises:
        ConfigError: if `augment.keep_direction` names an unknown class, whose clips would then be mirrored.
    """
    unknown = [name for name in config.augment.keep_direction if name not in manifest.class_names]
    if unknown:
        close = did_you_mean(unknown[0], manifest.class_names)
        raise ConfigError(
            f"augment.keep_direction: {shown(unknown[0])} is no class{close}; "
            f"expected some of {shown(manifest.class_names)}"
        )
    fps = manifest.usual_fps if config.clip.fps is None else config.clip.fps
    clip = asdict(config.clip) | {"mean": tuple(config.clip.mean), "std": tuple(config.clip.std), "fps": fps}
    names, data_hash = manifest.class_names, manifest.data_hash
    return ClipContract(**clip, channels=config.clip.channels, class_names=names, data_hash=data_hash)


def one_thread(_worker: int = 0) -> None:
    """Keep a worker to one thread, because the workers share the cores."""
    torch.set_num_threads(1)


class ClipDataModule(L.LightningDataModule):
    """Loaders of a manifest's usable videos.

    Training batches have one random clip per video, `short_side` pixels square, for the model to augment; validation
    batches one centre clip; test batches `test_clips` neighbouring clips. `contract.class_names` number the labels.
    """

    def __init__(self, config: Config, manifest: Manifest, contract: ClipContract, *, seed: int) -> None:
        super().__init__()
        self.config, self.data = config, config.data
        self.manifest, self.contract, self.seed = manifest, contract, seed
        self.reader = open_clip_reader(config, manifest, short_side=contract.short_side)

    def records(self, split: str) -> list[ClipRecord]:
        """Usable clips of a split; `DataError` if there are none, or their classes are not in the contract."""
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
        """Several views per video of any split; a batch has about `batch_size` clips."""
        clips, crops = self.data.test_clips, self.data.test_crops
        videos = max(1, self.data.batch_size // (clips * crops))
        return self._loader(self._dataset(split, views=clips, crops=crops), batch_size=videos)

    def single_pass_loader(self, split: str, number: int) -> DataLoader[ClipBatch]:
        """Every video of a split once; of training videos a random clip, another one for each `number`."""
        sampler = None
        dataset = self._dataset(split, views=0 if split == "train" else 1)
        if split == "train":
            sampler = EpochSampler(dataset.label_N, seed=self.seed)
            sampler.set_epoch(number)
        return self._loader(dataset, batch_size=self.data.batch_size, sampler=sampler)

    def spread_clips(self, split: str, count: int) -> ClipBatch:
        """One centre clip of up to `count` videos, evenly spread over a split, always the same."""
        dataset = self._dataset(split, views=1)
        count = min(count, len(dataset))
        return dataset.__getitems__([number * len(dataset) // count for number in range(count)])

    def labels(self, split: str) -> NDArray[np.int64]:
        """`[N]` int64: the class of each clip of a split."""
        return self._dataset(split, views=1).label_N

    def _dataset(self, split: str, *, views: int, crops: int = 1) -> ClipDataset:
        return ClipDataset(
            self.records(split),
            Path(self.manifest.videos_dir),
            self.contract,
            views=views,
            crops=crops,
            temporal_jitter=self.config.augment.temporal_jitter,
            reader=self.reader,
        )

    def _loader(
        self, dataset: ClipDataset, *, batch_size: int, shuffle: bool = False, sampler: EpochSampler | None = None
    ) -> DataLoader[ClipBatch]:
        requested = self.data.num_workers
        workers = min(requested if requested >= 0 else min(available_cores(), MAX_WORKERS), len(dataset))
        if (places := self.reader.places(dataset.records)) is not None:
            workers = floor_power_of_two(workers)  # so that each lane has one worker
            order = self._shard_order(places, batch_size, shuffle, workers)
        elif shuffle:
            order = self._training_order(dataset, batch_size)
        else:
            order = {"batch_size": batch_size, "sampler": sampler or own_share(len(dataset))}
        kind: type[DataLoader[ClipBatch]] = DataLoader
        if requested < 0 and self.reader.only_copies(dataset.records):
            kind, workers = ThreadedLoader, 0
        return kind(
            dataset,
            num_workers=workers,
            collate_fn=already_collated,
            worker_init_fn=one_thread,
            persistent_workers=workers > 0,
            pin_memory=torch.cuda.is_available(),
            # Otherwise starting workers would draw from the generator that dropout draws from.
            generator=torch.Generator().manual_seed(self.seed),
            **order,
        )

    def _training_order(self, dataset: ClipDataset, batch_size: int) -> dict[str, Any]:
        """Arguments for a loader of clips that can be read in any order."""
        rank, world = rank_and_world()
        return EpochSampler(
            dataset.label_N,
            seed=self.seed,
            balanced=self.data.sampling == "class_balanced",
            repeats=self.data.clips_per_video,
            batch_size=batch_size,
            rank=rank,
            world=world,
        ).loader_arguments()

    def _shard_order(self, places: list[Place], batch_size: int, shuffle: bool, workers: int) -> dict[str, Any]:
        """Arguments for a loader of clips that should be read together with their neighbours."""
        if self.data.sampling != "shuffle" or self.data.clips_per_video > 1:
            raise ConfigError("data=shards: shards determine the order; leave out data.sampling, data.clips_per_video")
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
