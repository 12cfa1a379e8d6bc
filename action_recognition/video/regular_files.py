"""Opening videos and images, with a one-line error for everything that is not a readable file."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path

from action_recognition.errors import VideoError


@contextmanager
def open_regular(path: Path) -> Iterator[BufferedReader]:
    """Open a file for reading; raise `VideoError` if it is missing, cannot be read, or is not a regular file."""
    try:
        # Checked before opening: opening a device can have effects, and opening a pipe waits for its writer.
        if not stat.S_ISREG(path.stat().st_mode):
            raise VideoError(f"{path}: not a file")
        with os.fdopen(os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)), "rb") as file:
            yield file
    except FileNotFoundError:
        raise VideoError(f"{path}: no such file") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise VideoError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error})") from None


def size_bytes(path: Path) -> int:
    """0 if the size is unknown, as for a dangling link; reading the file reports why."""
    try:
        return path.stat().st_size
    except OSError:
        return 0
