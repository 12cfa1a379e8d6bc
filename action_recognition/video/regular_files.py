"""Opening what should be a video or an image, and one line for everything that is not a file that can be read."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path

from action_recognition.errors import VideoError


@contextmanager
def open_regular(path: Path) -> Iterator[BufferedReader]:
    """Open a file for reading; a pipe, a socket or a device is refused without waiting for anything to come out of it.

    Raises:
        VideoError: if there is no such file, if it is not a regular file, or if it cannot be read.
    """
    try:
        # Looked at before it is opened: opening a device can do something, and opening a pipe waits for its writer.
        if not stat.S_ISREG(path.stat().st_mode):
            raise VideoError(f"{path}: not a file")
        with os.fdopen(os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)), "rb") as file:
            yield file
    except FileNotFoundError:
        raise VideoError(f"{path}: no such file") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise VideoError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error})") from None


def size_bytes(path: Path) -> int:
    """0 where it cannot be said, as of a link to nowhere; reading it says why."""
    try:
        return path.stat().st_size
    except OSError:
        return 0
