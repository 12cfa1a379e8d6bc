"""Where the windows that cover a video begin, by arithmetic over its whole length."""

import numpy as np
from numpy.typing import NDArray


def window_starts(num_frames: int, *, span: int, overlap: float = 0.0) -> NDArray[np.int64]:
    """First frames of the windows of a video; what `WindowCutter` cuts from a stream has to agree."""
    hop = max(1, round(span * (1 - overlap)))
    starts = np.arange(0, max(num_frames - span, 0) + 1, hop, dtype=np.int64)
    if num_frames > span and starts[-1] + span < num_frames:
        starts = np.append(starts, num_frames - span)
    return starts
