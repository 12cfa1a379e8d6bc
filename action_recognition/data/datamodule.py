"""The LightningDataModule: manifest to batches."""

import os
from pathlib import Path

import cv2
import lightning as L
import torch
from torch.utils.data import DataLoader

from action_recognition.config import DataConfig
from action_recognition.contract import ClipContract
from action_recognition.data.dataset import ClipBatch, ClipDataset, EpochSampler, collate_clips
from action_recognition.data.manifest import ClipRecord, Manifest
from action_recognition.data.store.jobs import open_store
from action_recognition.errors import DataError

MAX_WORKERS = 8


def make_contract(data: DataConfig, manifest: Manifest) -> ClipContract:
    """The clip contract that a data configuration and its manifest describe."""
    return ClipContract(
        frames=data.frames,
        stride=data.stride,
        short_side=data.short_side,
        size=data.size,
        mean=tuple(data.mean),
        std=tuple(data.std),
        class_names=manifest.class_names,
        short_clip=data.short_clip,
        data_hash=manifest.data_hash,
        channels=len(data.mean),
    )


def worker_count(requested: int) -> int:
    """-1 means one a core this process may use, at most `MAX_WORKERS`."""
    if requested >= 0:
        return requested
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, MAX_WORKERS)


def _one_thread(_worker: int) -> None:
    """Workers are the parallelism; threads inside each would fight over the same cores."""
    cv2.setNumThreads(1)
    torch.set_num_threads(1)


class ClipDataModule(L.LightningDataModule):
    """Loaders over a manifest.

    Training batches hold one random clip a video, `short_side` pixels square, for the model to augment; validation
    one centre clip; test `test_clips` clips a video, next to each other in the batch. Videos that the manifest marks
    unusable are left out. Clips that the store of `data.cache` holds are read from there.

    Args:
        contract: how clips are cut; its `class_names` number the labels.
        seed: of shuffling and clip positions.
    """

    def __init__(self, data: DataConfig, manifest: Manifest, contract: ClipContract, *, seed: int) -> None:
        super().__init__()
        self.data = data
        self.manifest = manifest
        self.contract = contract
        self.seed = seed
        self.store = open_store(data, short_side=contract.short_side)

    def records(self, split: str) -> list[ClipRecord]:
        """Usable clips of a split.

        Raises:
            DataError: if there is none.
        """
        records = self.manifest.split(split, min_frames=self.contract.min_frames)
        if not records:
            raise DataError(
                f"{self.data.name}: no {split} clips under split {self.data.split}; "
                "see what there is: python commands.py check-data"
            )
        unknown = sorted({record.label for record in records} - set(self.contract.class_names))
        if unknown:
            raise DataError(f"{self.data.name}: classes {', '.join(unknown)} are not in the model's contract")
        return records

    def train_dataloader(self) -> DataLoader[ClipBatch]:
        dataset = self._dataset("train", views=0)
        sampler = EpochSampler(len(dataset), seed=self.seed)
        # A last batch of one clip has no variance for batch norm to work with.
        drop_last = len(dataset) > self.data.batch_size and len(dataset) % self.data.batch_size == 1
        return self._loader(dataset, sampler=sampler, batch_size=self.data.batch_size, drop_last=drop_last)

    def val_dataloader(self) -> DataLoader[ClipBatch]:
        return self._loader(self._dataset("val", views=1), batch_size=self.data.batch_size)

    def test_dataloader(self) -> DataLoader[ClipBatch]:
        return self.evaluation_dataloader("test")

    def evaluation_dataloader(self, split: str) -> DataLoader[ClipBatch]:
        """Several views a video of any split; a batch holds about `batch_size` clips."""
        videos = max(1, self.data.batch_size // self.data.test_clips)
        return self._loader(self._dataset(split, views=self.data.test_clips), batch_size=videos)

    def _dataset(self, split: str, *, views: int) -> ClipDataset:
        jitter = self.data.augment.temporal_jitter
        videos_dir = Path(self.manifest.videos_dir)
        return ClipDataset(
            self.records(split), videos_dir, self.contract, views=views, temporal_jitter=jitter, store=self.store
        )

    def _loader(self, dataset: ClipDataset, **options: object) -> DataLoader[ClipBatch]:
        workers = min(worker_count(self.data.num_workers), len(dataset))
        return DataLoader(
            dataset,
            num_workers=workers,
            collate_fn=collate_clips,
            worker_init_fn=_one_thread,
            persistent_workers=workers > 0,
            pin_memory=torch.cuda.is_available(),
            # Or starting workers would draw from the generator that dropout draws from.
            generator=torch.Generator().manual_seed(self.seed),
            **options,  # type: ignore[arg-type]
        )
