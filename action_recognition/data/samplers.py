"""Which clips an epoch draws, in which order, and which of them each process of a distributed training gets."""

from collections.abc import Iterator

import numpy as np
import torch.distributed as dist
from numpy.typing import NDArray
from torch.utils.data import Sampler

from action_recognition.data.dataset import Draw

Ints = NDArray[np.int64]


def rank_and_world() -> tuple[int, int]:
    """This process's number and how many train together; (0, 1) where nothing is distributed."""
    ready = dist.is_available() and dist.is_initialized()
    return (dist.get_rank(), dist.get_world_size()) if ready else (0, 1)


class EpochSampler(Sampler[Draw]):
    """A new order, and a new seed for each clip, every epoch.

    Both follow from (seed, epoch) alone: neither the number of workers or processes nor where a run was resumed changes
    what is drawn. Lightning calls `set_epoch`.

    Args:
        label_N: int64, the class of each clip.
        seed: of everything drawn.
        balanced: draw each class equally often, `N` clips in all, instead of each clip once.
        repeats: draws of a clip that follow each other, each with a seed of its own (repeated augmentation, Hoffer et
            al. 2020, arXiv:1901.09335).
        batch_size: of one process; needed where there are several.
        rank, world: this process and how many there are. Batch k of all processes together is what batch k of a single
            process with `world * batch_size` clips would be.
    """

    def __init__(
        self,
        label_N: Ints,
        *,
        seed: int,
        balanced: bool = False,
        repeats: int = 1,
        batch_size: int = 1,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        self.label_N = np.asarray(label_N)
        self.seed = seed
        self.balanced = balanced
        self.repeats = repeats
        self.batch_size = batch_size
        self.rank = rank
        self.world = world
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        # Every process has the same number of clips: those left over at the end sit out an epoch.
        return len(self.label_N) * self.repeats // self.world

    def __iter__(self) -> Iterator[Draw]:
        generator = np.random.default_rng([self.seed, self.epoch])
        count = len(self.label_N)
        order = balanced_order(self.label_N, generator) if self.balanced else generator.permutation(count)
        order = np.repeat(order, self.repeats)
        seeds = generator.integers(0, 2**63 - 1, size=len(order))
        own = share(len(order), batch_size=self.batch_size, rank=self.rank, world=self.world)
        return map(Draw, order[own].tolist(), seeds[own].tolist())


def balanced_order(label_N: Ints, generator: np.random.Generator) -> Ints:
    """`[N]` clips in which the classes that occur are equally frequent, to within one.

    Within a class every clip comes once before one comes again.
    """
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
    """Places of `count` that process `rank` gets: its part of every batch of `world * batch_size`."""
    whole = count // (world * batch_size) * (world * batch_size)
    batches = np.arange(whole).reshape(-1, world, batch_size)[:, rank].ravel()
    rest = (count - whole) // world
    return np.concatenate([batches, whole + rank * rest + np.arange(rest)])
