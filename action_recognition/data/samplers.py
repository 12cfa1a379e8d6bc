"""The clips that an epoch draws, their order, and the share of each process in distributed training."""

from collections.abc import Iterator
from dataclasses import KW_ONLY, dataclass, field
from typing import Any

import numpy as np
import torch.distributed as dist
from numpy.typing import NDArray
from torch.utils.data import Sampler

from action_recognition.data.dataset import Draw

Ints = NDArray[np.int64]


def rank_and_world() -> tuple[int, int]:
    """The number of this process and of all processes; (0, 1) if training is not distributed."""
    ready = dist.is_available() and dist.is_initialized()
    return (dist.get_rank(), dist.get_world_size()) if ready else (0, 1)


def own_share(count: int) -> range:
    """The clips of `count` that this process evaluates; the metrics combine the results of all processes."""
    rank, world = rank_and_world()
    return range(rank, count, world)


@dataclass(eq=False, repr=False)
class EpochSampler(Sampler[Draw]):
    """A new order, and a new seed for each clip, every epoch.

    Both follow from (seed, epoch) alone, whatever the number of workers or processes and wherever a run was resumed.
    Lightning calls `set_epoch`.

    Args:
        label_N: int64, the class of each clip.
        balanced: draw each class equally often, `N` clips in all, instead of each clip once.
        repeats: consecutive draws of a clip, each with its own seed (repeated augmentation, Hoffer et al. 2020,
            arXiv:1901.09335).
        batch_size: of one process.
        rank, world: this process and the number of processes. Batch k of all processes together is what batch k of a
            single process with `world * batch_size` clips would be.
    """

    label_N: Ints
    _: KW_ONLY
    seed: int
    balanced: bool = False
    repeats: int = 1
    batch_size: int = 1
    rank: int = 0
    world: int = 1
    epoch: int = field(default=0, init=False)

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        # Every process has the same number of clips; the rest are left out of the epoch.
        return len(self.label_N) * self.repeats // self.world

    def __iter__(self) -> Iterator[Draw]:
        generator = np.random.default_rng([self.seed, self.epoch])
        count = len(self.label_N)
        order = balanced_order(self.label_N, generator) if self.balanced else generator.permutation(count)
        order = np.repeat(order, self.repeats)
        seeds = generator.integers(0, 2**63 - 1, size=len(order))
        own = share(len(order), batch_size=self.batch_size, rank=self.rank, world=self.world)
        return map(Draw, order[own].tolist(), seeds[own].tolist())

    def loader_arguments(self) -> dict[str, Any]:
        """What a `DataLoader` needs. A last batch of one clip is dropped: batch norm would have no variance."""
        drop_last = len(self) > self.batch_size and len(self) % self.batch_size == 1
        return {"batch_size": self.batch_size, "sampler": self, "drop_last": drop_last}


def balanced_order(label_N: Ints, generator: np.random.Generator) -> Ints:
    """`[N]` clips with equally many of each class, to within one; no clip is repeated before all of its class came."""
    classes = generator.permutation(np.unique(label_N))
    quota = np.full(len(classes), len(label_N) // len(classes))
    quota[: len(label_N) % len(classes)] += 1
    drawn = []
    for label, wanted in zip(classes, quota, strict=True):
        members = np.flatnonzero(label_N == label)
        rounds = [generator.permutation(members) for _ in range(-(-int(wanted) // len(members)))]
        drawn.append(np.concatenate(rounds)[:wanted])
    return generator.permutation(np.concatenate(drawn))


def share(count: int, *, batch_size: int, rank: int, world: int) -> Ints:
    """The positions of `count` that process `rank` gets: its part of every batch of `world * batch_size`."""
    whole = count // (world * batch_size) * (world * batch_size)
    batches = np.arange(whole).reshape(-1, world, batch_size)[:, rank].ravel()
    rest = (count - whole) // world
    return np.concatenate([batches, whole + rank * rest + np.arange(rest)])
