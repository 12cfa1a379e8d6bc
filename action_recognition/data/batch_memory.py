"""Memory for batches: pages are used again, because touching new ones costs more than the copy into them."""

import math
from weakref import ReferenceType, ref

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import get_worker_info

PAGE_BYTES = 4096
# The batch being made, the one in use, and two on their way to a device.
MAX_BUFFERS = 4
Bytes = NDArray[np.uint8]


class BatchBuffers:
    """Tensors to write to. Their memory is used again once no tensor or array refers to it."""

    def __init__(self) -> None:
        # Each with the array that its tensor was made from, which exists as long as the tensor's storage.
        self._buffers: list[tuple[Bytes, ReferenceType[Bytes]]] = []

    def take(self, *shape: int, dtype: torch.dtype = torch.uint8) -> Tensor:
        """An uninitialised contiguous tensor. A worker's is in shared memory, so that it is not copied again."""
        size_bytes = math.prod(shape) * dtype.itemsize
        if get_worker_info() is not None:
            storage = torch.UntypedStorage._new_shared(size_bytes)
            return torch.empty(0, dtype=dtype).set_(storage).view(shape)
        buffer = self._free_buffer(size_bytes + PAGE_BYTES)
        start = -buffer.ctypes.data % PAGE_BYTES
        array = buffer[start : start + size_bytes]  # from the beginning of a page: see `store.entry.DATA_OFFSET`
        self._buffers = [(buffer, ref(array)), *self._buffers[: MAX_BUFFERS - 1]]
        return torch.from_numpy(array).view(dtype).view(shape)

    def _free_buffer(self, size_bytes: int) -> Bytes:
        """An unused one, removed from the list, or a new one."""
        for place, (buffer, user) in enumerate(self._buffers):
            if user() is None and buffer.nbytes >= size_bytes:
                del self._buffers[place]
                return buffer
        return np.empty(size_bytes, dtype=np.uint8)

    def __reduce__(self) -> tuple[type["BatchBuffers"], tuple[()]]:
        return BatchBuffers, ()
