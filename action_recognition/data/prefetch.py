"""Batches made ahead in a thread, for data that is only copied."""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from torch.utils.data import DataLoader

from action_recognition.data.dataset import ClipBatch

AHEAD = 2
Batch = TypeVar("Batch")


class ThreadedLoader(DataLoader[ClipBatch]):
    """A `DataLoader` without workers whose next batches are made while one is used.

    A worker process hands a batch over in new shared memory. Touching that for the first time can take ten times as
    long as the copy out of a raw clip store, which leaves the interpreter lock to others anyway.
    """

    def __iter__(self) -> Iterator[ClipBatch]:  # type: ignore[override]
        return made_ahead(super().__iter__())


def made_ahead(batches: Iterator[Batch], *, count: int = AHEAD) -> Iterator[Batch]:
    """The same items in the same order; up to `count` are waiting. An exception comes at its item's turn."""
    with ThreadPoolExecutor(1, thread_name_prefix="batches") as pool:
        waiting = deque(pool.submit(next, batches, None) for _ in range(count))
        while (batch := waiting.popleft().result()) is not None:
            waiting.append(pool.submit(next, batches, None))
            yield batch
