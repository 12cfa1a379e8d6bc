"""Datamodules of test configurations, and the batches of an epoch."""

from collections.abc import Iterable, Sequence

import torch
from rich.console import Console

from action_recognition.config import Config
from action_recognition.data.datamodule import ClipDataModule, make_contract
from action_recognition.data.dataset import ClipBatch
from action_recognition.data.load import load_manifest

QUIET = Console(quiet=True)


def make_datamodule(config: Config, **changes: object) -> ClipDataModule:
    """`changes` are values of the group `data`."""
    for key, value in changes.items():
        setattr(config.data, key, value)
    manifest = load_manifest(config, QUIET)
    return ClipDataModule(config, manifest, make_contract(config, manifest), seed=1)


def batches_of(loader: Iterable[ClipBatch], epoch: int = 0) -> list[ClipBatch]:
    for sampler in (loader.sampler, loader.batch_sampler):  # type: ignore[attr-defined]
        if hasattr(sampler, "set_epoch"):
            sampler.set_epoch(epoch)
    return list(loader)


def same(first: Sequence[ClipBatch], second: Sequence[ClipBatch]) -> bool:
    """Whether all clips, labels and errors are equal."""
    return len(first) == len(second) and all(
        all(map(torch.equal, a[:3], b[:3])) and a.errors == b.errors for a, b in zip(first, second, strict=True)
    )
