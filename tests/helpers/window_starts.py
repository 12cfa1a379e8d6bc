"""Where the windows that cover a video begin, computed from its length."""

import numpy as np
from numpy.typing import NDArray


def window_starts(num_frames: int, *, span: int, overlap: float = 0.0) -> NDArray[np.int64]:
    """First frames of the windows of a video, which must agree with those that `WindowCutter` cuts from a stream."""
    hop = max(1, round(span * (1 - overlap)))
    starts = np.arange(0, max(num_frames - span, 0) + 1, hop, dtype=np.int64)
    if num_frames > span and starts[-1] + span < num_frames:
        starts = np.append(starts, num_frames - span)
    return starts
