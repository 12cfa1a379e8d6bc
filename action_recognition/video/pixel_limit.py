"""The limit on an image's size, checked before memory is taken for it: a file of 2 kB can claim 200 million pixels.

The environment holds `data.max_pixels` for loaders' workers. A server has no configuration; its user can set the
variable.
"""

import os
from pathlib import Path

from action_recognition.errors import VideoError

VARIABLE = "ACTION_RECOGNITION_MAX_PIXELS"
DEFAULT_MAX_PIXELS = 35_389_440  # 8192 x 4320, the largest frame that is called 8K


def set_max_pixels(limit: int) -> None:
    """Set the limit for this process and those that it starts."""
    os.environ[VARIABLE] = str(limit)


def check_pixels(path: Path | str, width: int, height: int, *, resized: bool = False) -> None:
    """Raise `VideoError` if a picture has more pixels than the limit; `resized`: it would be scaled to this size."""
    given = os.environ.get(VARIABLE, "")
    limit = int(given) if given.isdecimal() else DEFAULT_MAX_PIXELS
    if width * height > limit:
        what, advice = "", "raise the limit if it is real"
        if resized:
            what, advice = "would be resized to ", "choose a smaller clip.short_side, or raise the limit"
        raise VideoError(f"{path}: {what}{width}x{height} pixels, more than data.max_pixels={limit}; {advice}")
