"""Which clips a rank reads in an epoch, and in which order: index arithmetic only, no reading.

Order is settled in three steps. Chunks of neighbouring clips are shuffled over the whole split; the chain that they
make is cut into one equal part a rank; a rank's part is cut into lanes, and clips are shuffled within a window that
moves along each lane. Batch `k` comes from lane `k mod lanes`, and the loader gives it to worker `k mod workers`: so a
worker walks along few lanes, and reads each chunk once. The order follows from (seed, epoch) and the number of ranks;
workers change nothing.
"""

from collections.abc import Iterator, Sequence
from math import ceil

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Sampler

from action_recognition.data.dataset import Draw
from action_recognition.readers.base import CHUNK, Place

MAX_LANES = 8
MIN_LANE = 128  # clips; shorter lanes would mix too few
Numbers = NDArray[np.int64]


class ShardBatches(Sampler[list[Draw]]):
    """A batch sampler for clips that lie in shards.

    Shuffling, every rank gets the same number of clips: with `world` ranks up to `world - 1` clips sit out, others in
    each epoch. Not shuffling, every clip comes exactly once; ranks with fewer batches end with an empty one, because
    all ranks have to take part in the same number of steps.

    Args:
        places: of the clips of a split; draws hold positions in this list.
        shuffle: for training.
        buffer: clips that are mixed at a time, over all lanes.
        rank, world: this process and how many there are.
    """

    def __init__(
        self,
        places: Sequence[Place],
        *,
        batch_size: int,
        shuffle: bool,
        buffer: int,
        seed: int,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        self.places = places
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.seed = seed
        self.rank = rank
        self.world = world
        self.epoch = 0
        self.lanes = _lanes(len(self._part(np.arange(len(places)))))
        self.window = max(1, buffer // self.lanes) if shuffle else CHUNK

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    @property
    def sampler(self) -> "ShardBatches":
        """Lightning looks here for something with `set_epoch`."""
        return self

    def __len__(self) -> int:
        if not self.shuffle:
            return ceil(ceil(len(self.places) / self.world) / self.batch_size)
        share = len(self.places) // self.world
        # A last batch of one clip has no variance for batch norm to work with.
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
        """How many clips a worker has to hold so that it reads none twice."""
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
        """A rank's clips in the order of its batches: batches taken from the lanes in turn."""
        count = ceil(len(part) / self.batch_size)
        sizes = [min(self.batch_size, len(part) - k * self.batch_size) for k in range(count)]
        batches: list[Numbers] = [part[:0]] * count
        start = 0
        for lane in range(min(self.lanes, count)):
            numbers = range(lane, count, self.lanes)
            end = start + sum(sizes[k] for k in numbers)
            clips = self._shuffled(part[start:end], generator)
            for k in numbers:
                batches[k], clips = clips[: sizes[k]], clips[sizes[k] :]
            start = end
        return np.concatenate([part[:0], *batches])

    def _shuffled(self, clips: Numbers, generator: np.random.Generator) -> Numbers:
        if not self.shuffle:
            return clips
        windows = np.array_split(clips, max(1, ceil(len(clips) / self.window)))
        return np.concatenate([generator.permutation(window) for window in windows])


def lane_workers(workers: int) -> int:
    """The next smaller power of two: each lane then has one worker."""
    return 1 << (workers.bit_length() - 1) if workers else 0


def _lanes(clips: int) -> int:
    """A power of two, so that it is a multiple of most numbers of workers."""
    lanes = 1
    while lanes < MAX_LANES and clips >= 2 * lanes * MIN_LANE:
        lanes *= 2
    return lanes
