"""How large a picture may be, asked before memory is taken for it: a file of 2 kB can claim 200 million pixels.

The limit is `data.max_pixels`. It is kept in the environment, because loaders' workers and servers are processes of
their own; a server without a configuration can be given one by the variable itself.
"""

import os
from pathlib import Path

from action_recognition.errors import VideoError

VARIABLE = "ACTION_RECOGNITION_MAX_PIXELS"
DEFAULT_MAX_PIXELS = 35_389_440  # 8192 x 4320, the largest frame that is called 8K


def set_max_pixels(limit: int) -> None:
    """Set the limit for this process and those that it starts."""
    os.environ[VARIABLE] = str(limit)


def max_pixels() -> int:
    """The limit; the default where none has been set, or what is set is no number."""
    given = os.environ.get(VARIABLE, "")
    return int(given) if given.isdecimal() else DEFAULT_MAX_PIXELS


def check_pixels(path: Path, width: int, height: int, *, resized: bool = False) -> None:
    """Refuse a picture of more pixels than the limit.

    Args:
        resized: whether `width` and `height` are what the picture would be scaled to.

    Raises:
        VideoError: if it is too large.
    """
    limit = max_pixels()
    if width * height > limit:
        what = f"would be resized to {width}x{height} pixels" if resized else f"{width}x{height} pixels"
        advice = (
            "; choose a smaller clip.short_side, or raise the limit" if resized else "; raise the limit if it is real"
        )
        raise VideoError(f"{path}: {what}, more than data.max_pixels={limit}{advice}")
