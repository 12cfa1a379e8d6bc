"""Where the windows that cover a video begin, computed from its length."""

import numpy as np
from numpy.typing import NDArray


def window_starts(num_frames: int, *, frames: int, stride: int, overlap: float = 0.0) -> NDArray[np.int64]:
    """First frames of the windows of a video, which must agree with those that `WindowCutter` cuts from a stream.

    A window is `frames` of the samples 0, `stride`, 2 `stride` ...; the last one ends with the last sample.
    """
    samples = max(1, -(-num_frames // stride))
    hop = max(1, round(frames * (1 - overlap)))
    starts = np.arange(0, max(samples - frames, 0) + 1, hop, dtype=np.int64)
    if samples > frames and starts[-1] + frames < samples:
        starts = np.append(starts, samples - frames)
    return starts * stride
