"""The clips that a rank reads in an epoch, and their order. Nothing is read here.

The order is made in three steps. Chunks of neighbouring clips are shuffled over the whole split. This chain is cut into
one equal part per rank. A rank's part is cut into lanes, and clips are shuffled within a window that moves along each
lane. Batch `k` comes from lane `k mod lanes`, and the loader gives it to worker `k mod workers`, so a worker follows
few lanes and reads each chunk once. The order follows from (seed, epoch) and the number of ranks alone.
"""

from collections.abc import Iterator, Sequence
from dataclasses import KW_ONLY, dataclass, field
from itertools import chain, zip_longest
from math import ceil

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Sampler

from action_recognition.data.dataset import Draw
from action_recognition.readers.base import CHUNK, Place

MAX_LANES = 8
MIN_LANE = 128  # clips; shorter lanes would mix too few
Numbers = NDArray[np.int64]


@dataclass(eq=False, repr=False)
class ShardBatches(Sampler[list[Draw]]):
    """A batch sampler for clips in shards.

    With `shuffle`, for training, every rank gets the same number of clips: up to `world - 1` clips are left out, other
    ones in each epoch. Without it every clip comes exactly once. Ranks with fewer batches then end with an empty one,
    because all ranks have to take the same number of steps.

    Args:
        places: of the clips of a split; draws are positions in this list.
        buffer: number of clips that are mixed at a time, over all lanes.
        rank, world: this process and the number of processes.
    """

    places: Sequence[Place]
    _: KW_ONLY
    batch_size: int
    shuffle: bool
    buffer: int
    seed: int
    rank: int = 0
    world: int = 1
    epoch: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        own = len(self._part(np.arange(len(self.places))))
        # A power of two, so that it is a multiple of most numbers of workers.
        self.lanes = min(MAX_LANES, floor_power_of_two(max(1, own // MIN_LANE)))
        self.window = max(1, self.buffer // self.lanes) if self.shuffle else CHUNK

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    @property
    def sampler(self) -> "ShardBatches":
        """Lightning calls `set_epoch` of this attribute."""
        return self

    def __len__(self) -> int:
        if not self.shuffle:
            return ceil(ceil(len(self.places) / self.world) / self.batch_size)
        share = len(self.places) // self.world
        # A last batch of one clip is dropped: batch norm would have no variance.
        return ceil(share / self.batch_size) - (share > self.batch_size and share % self.batch_size == 1)

    def __iter__(self) -> Iterator[list[Draw]]:
        generator = np.random.default_rng([self.seed, self.epoch])
        seeds = generator.integers(0, 2**63 - 1, size=len(self.places))
        part = self._part(self._chain(generator))
        order = self._mixed(part, generator)
        for number in range(len(self)):
            batch = order[number * self.batch_size : (number + 1) * self.batch_size]
            yield [Draw(int(index), int(seeds[index])) for index in batch]

    def clips_ahead(self, workers: int) -> int:
        """The number of clips that a worker has to hold in order to read none twice."""
        return self.lanes // min(max(workers, 1), self.lanes) * (self.window + 2 * CHUNK)

    def _chain(self, generator: np.random.Generator) -> Numbers:
        """All clips, chunk after chunk."""
        chunks: dict[tuple[int, int], list[int]] = {}
        for index, place in enumerate(self.places):
            chunks.setdefault(place.chunk, []).append(index)
        order = list(chunks.values())
        if self.shuffle:
            order = [order[number] for number in generator.permutation(len(order))]
        return np.array([index for chunk in order for index in chunk], dtype=np.int64)

    def _part(self, chain: Numbers) -> Numbers:
        """This rank's part of the chain."""
        if self.shuffle:
            share = len(chain) // self.world
            return chain[self.rank * share : (self.rank + 1) * share]
        first, end = (len(chain) * rank // self.world for rank in (self.rank, self.rank + 1))
        return chain[first:end]

    def _mixed(self, part: Numbers, generator: np.random.Generator) -> Numbers:
        """A rank's clips in the order of its batches, which are taken from the lanes in turn."""
        sizes = np.diff([*range(0, len(part), self.batch_size), len(part)])
        sizes_of_lanes = [sizes[lane :: self.lanes] for lane in range(self.lanes)]
        lanes = np.split(part, np.cumsum([own.sum() for own in sizes_of_lanes])[:-1])
        batches_of_lanes = [
            np.split(self._shuffled(clips, generator), np.cumsum(own)[:-1])
            for clips, own in zip(lanes, sizes_of_lanes, strict=True)
        ]
        return np.concatenate([*chain(*zip_longest(*batches_of_lanes, fillvalue=part[:0]))])

    def _shuffled(self, clips: Numbers, generator: np.random.Generator) -> Numbers:
        if not self.shuffle:
            return clips
        windows = np.array_split(clips, max(1, ceil(len(clips) / self.window)))
        return np.concatenate([generator.permutation(window) for window in windows])


def floor_power_of_two(number: int) -> int:
    """The largest power of two that is not larger; 0 for 0."""
    return 1 << (number.bit_length() - 1) if number else 0
