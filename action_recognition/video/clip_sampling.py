"""Which frames of a video make up a clip, as int64 arrays of frame numbers.

A policy covers videos shorter than a clip's span: `repeat_last` holds the last frame, `wrap` starts over, and `error`
refuses.
"""

import numpy as np
from numpy.typing import NDArray

from action_recognition.errors import VideoError

Indices = NDArray[np.int64]


def apply_short_clip_policy(indices: Indices, *, num_frames: int, policy: str) -> Indices:
    """Map indices (any shape, from 0) past the end of a video of `num_frames` back into it.

    Raises:
        VideoError: if the video has no frames, or is too short under the policy `error`.
    """
    if num_frames < 1:
        raise VideoError(f"a video with {num_frames} frames has no clip")
    if policy == "error" and indices.max(initial=0) >= num_frames:
        raise VideoError(
            f"{num_frames} frames are too few for a clip that spans {int(indices.max()) + 1}; "
            "choose clip.short_clip=repeat_last or wrap, or a smaller clip.frames or clip.stride"
        )
    if policy == "wrap":
        return indices % num_frames
    return np.minimum(indices, num_frames - 1)


def clip_at(start: int, *, frames: int, stride: int) -> Indices:
    """`[T]`: the clip that begins at frame `start`, before any short-clip policy."""
    return np.arange(start, start + frames * stride, stride, dtype=np.int64)


def random_clip(
    num_frames: int, *, frames: int, stride: int, policy: str, generator: np.random.Generator, jitter: bool = False
) -> Indices:
    """`[T]`: a clip at a random place of the video, for training.

    With `jitter` each frame is drawn from the `stride` frames that its place in the clip stands for. The tempo varies
    by less than a stride; the frames stay in order.
    """
    span = (frames - 1) * stride + 1
    start = int(generator.integers(0, max(num_frames - span, 0) + 1))
    indices = clip_at(start, frames=frames, stride=stride)
    if jitter and stride > 1:
        last = max(num_frames - 1, int(indices[-1]))
        indices = np.minimum(indices + generator.integers(0, stride, size=frames), last)
    return apply_short_clip_policy(indices, num_frames=num_frames, policy=policy)


def uniform_clips(num_frames: int, *, frames: int, stride: int, policy: str, clips: int = 1) -> Indices:
    """`[N, T]`: `clips` clips at evenly spaced places; one clip is the centre of the video."""
    last_start = max(num_frames - (frames - 1) * stride - 1, 0)
    starts = np.array([last_start // 2]) if clips == 1 else np.rint(np.linspace(0, last_start, clips)).astype(np.int64)
    indices = starts[:, None] + clip_at(0, frames=frames, stride=stride)
    return apply_short_clip_policy(indices, num_frames=num_frames, policy=policy)
