"""Batches made in advance in a thread, for data that is only copied."""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from torch.utils.data import DataLoader

from action_recognition.data.dataset import Batch, ClipBatch

AHEAD = 2


class ThreadedLoader(DataLoader[ClipBatch]):
    """A `DataLoader` without workers that makes the next batches in a thread.

    A worker process passes a batch on in new shared memory. Touching it for the first time can take ten times as long
    as the copy from a raw clip store, which releases the interpreter lock anyway.
    """

    def __iter__(self) -> Iterator[ClipBatch]:  # type: ignore[override]
        return made_ahead(super().__iter__())


def made_ahead(batches: Iterator[Batch]) -> Iterator[Batch]:
    """The same items in the same order, `AHEAD` of them made in advance. An exception is raised at its item's turn."""
    with ThreadPoolExecutor(1, thread_name_prefix="batches") as pool:
        waiting = deque(pool.submit(next, batches, None) for _ in range(AHEAD))
        while (batch := waiting.popleft().result()) is not None:
            waiting.append(pool.submit(next, batches, None))
            yield batch
