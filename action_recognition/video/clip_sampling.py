"""Which frames of a video make up a clip: index arithmetic only, no decoding.

Every function returns int64 arrays of frame numbers, ready for a decoder. What happens to a video shorter than a
clip's span is a named policy: `repeat_last` holds the last frame, `wrap` starts over, `error` refuses.
"""

import numpy as np
from numpy.typing import NDArray

from action_recognition.errors import VideoError

Indices = NDArray[np.int64]


def apply_short_clip_policy(indices: Indices, *, num_frames: int, policy: str) -> Indices:
    """Map indices past the end of a video back into it.

    Args:
        indices: any shape, values from 0.
        num_frames: frames that the video really has.
        policy: `repeat_last`, `wrap` or `error`.

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

    With `jitter` each frame is drawn from the `stride` frames that its place in the clip stands for, which makes
    the tempo uneven by less than a stride; the order of frames is kept.
    """
    span = (frames - 1) * stride + 1
    start = int(generator.integers(0, max(num_frames - span, 0) + 1))
    indices = clip_at(start, frames=frames, stride=stride)
    if jitter and stride > 1:
        offsets = generator.integers(0, stride, size=frames)
        room = max(num_frames - 1, int(indices[-1])) if num_frames >= span else int(indices[-1])
        indices = np.minimum(indices + offsets, room)
    return apply_short_clip_policy(indices, num_frames=num_frames, policy=policy)


def uniform_clips(num_frames: int, *, frames: int, stride: int, policy: str, clips: int = 1) -> Indices:
    """`[N, T]`: `clips` clips at evenly spaced places; one clip is the centre of the video."""
    span = (frames - 1) * stride + 1
    last_start = max(num_frames - span, 0)
    starts = np.array([last_start // 2]) if clips == 1 else np.rint(np.linspace(0, last_start, clips)).astype(np.int64)
    indices = np.stack([clip_at(int(start), frames=frames, stride=stride) for start in starts])
    return apply_short_clip_policy(indices, num_frames=num_frames, policy=policy)
