"""Batches made in advance in a thread, for data that is only copied."""

from collections.abc import Iterator

from torch.utils.data import DataLoader

from action_recognition.data.dataset import ClipBatch
from action_recognition.utils.ahead import made_ahead

AHEAD = 2


class ThreadedLoader(DataLoader[ClipBatch]):
    """A `DataLoader` without workers that makes the next batches in a thread.

    A worker process passes a batch on in new shared memory. Touching it for the first time can take ten times as long
    as the copy from a raw clip store, which releases the interpreter lock anyway.
    """

    def __iter__(self) -> Iterator[ClipBatch]:  # type: ignore[override]
        return made_ahead(super().__iter__(), most=AHEAD)
