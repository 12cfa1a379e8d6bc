"""From logits to probabilities, the same in evaluation, inference and servers."""

import numpy as np
from numpy.typing import NDArray


def softmax(logits_BK: NDArray[np.floating], temperature: float = 1.0) -> NDArray[np.float64]:
    """The softmax of `logits / temperature` over the last axis, in float64.

    A temperature above 1 makes a model less sure and leaves the order of its classes as it is (Guo et al. 2017, "On
    Calibration of Modern Neural Networks", arXiv:1706.04599).

    Args:
        logits_BK: finite logits, of any shape `[..., K]`.
        temperature: `ClipContract.temperature`, more than 0.
    """
    wide = np.asarray(logits_BK, dtype=np.float64)
    exponentials = np.exp((wide - wide.max(axis=-1, keepdims=True)) / temperature)
    return np.asarray(exponentials / exponentials.sum(axis=-1, keepdims=True))
