"""What a word of the command line names besides a path: a URL, a camera, or a video on standard input.

Like a `Path`, each has a `name`, a `stem` for files that are made of it, and a text for results and messages. They can
be compared and pickled.
"""

import atexit
import os
import re
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path, PurePosixPath
from urllib.parse import SplitResult, unquote, urlsplit

from action_recognition.errors import VideoError
from action_recognition.inference.inputs.spooled import spool
from action_recognition.utils.redaction import redacted

SCHEMES = ("http", "https", "rtsp", "rtsps", "rtmp", "rtmps", "udp")
STDIN = "-"
MOST_CAMERAS = 64  # that Linux has devices for; larger numbers are rather misspelt folders
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_CAMERA = re.compile(r"(?:/dev/video)?(0|[1-9][0-9]?)")


@dataclass(frozen=True)
class Url:
    """Something to read over a network; its text is without passwords, `address` has them."""

    address: str = field(repr=False)

    def __str__(self) -> str:
        return redacted(self.address)

    @property
    def name(self) -> str:
        parts = urlsplit(self.address)
        return PurePosixPath(parts.path).name or parts.hostname or "stream"

    @property
    def stem(self) -> str:
        return PurePosixPath(self.name).stem


@dataclass(frozen=True)
class Camera:
    """A camera of this machine, by its number from 0."""

    number: int

    def __str__(self) -> str:
        return f"camera {self.number}"

    @property
    def name(self) -> str:
        return str(self)

    @property
    def stem(self) -> str:
        return f"camera-{self.number}"


@dataclass(frozen=True)
class Stdin:
    """A video that was on standard input and now is the file `path`, until the process ends."""

    path: Path

    def __str__(self) -> str:
        return "stdin"

    @property
    def name(self) -> str:
        return str(self)

    @property
    def stem(self) -> str:
        return str(self)


Given = Path | Url | Camera | Stdin


def as_url(word: str) -> Url | None:
    """The URL that a word is; None if it is none.

    Raises:
        VideoError: for a URL of another scheme or without a host.
    """
    if not _SCHEME.match(word):
        return None
    parts = _split(word)
    if parts.scheme not in SCHEMES:
        raise VideoError(f"{redacted(word)}: scheme {parts.scheme}, expected {', '.join(SCHEMES)} or file")
    if not parts.netloc:
        raise VideoError(f"{redacted(word)}: no host; expected {parts.scheme}://HOST/...")
    return Url(word)


def path_of_file_url(word: str) -> str | None:
    """`/a b.mp4` for `file:///a%20b.mp4`; None if a word is no such URL."""
    if not word.lower().startswith("file://"):
        return None
    parts = _split(word)
    if parts.netloc not in ("", "localhost") or not parts.path:
        raise VideoError(f"{word}: expected a file of this machine: file:///FOLDER/FILE")
    return unquote(parts.path, errors="surrogateescape")


def as_camera(word: str) -> Camera | None:
    """The camera that a number, or its device, stands for."""
    match = _CAMERA.fullmatch(word)
    return Camera(int(match[1])) if match and int(match[1]) < MOST_CAMERAS else None


@cache
def read_stdin() -> Stdin:
    """Read standard input to its end, once, into a temporary file that is removed when the process ends.

    Raises:
        VideoError: if nothing is piped into this program, or there is no room for it.
    """
    if sys.stdin is None or sys.stdin.isatty():
        raise VideoError("stdin: nothing is piped in; expected a video: cat VIDEO | python commands.py predict -")
    path = spool(sys.stdin.buffer, name="stdin")
    atexit.register(_remove, path, os.getpid())
    return Stdin(path)


def _remove(path: Path, owner: int) -> None:
    if os.getpid() == owner:  # a forked worker's end is not ours
        with suppress(OSError):
            path.unlink()


def _split(word: str) -> SplitResult:
    try:
        return urlsplit(word)
    except ValueError as error:
        raise VideoError(f"{redacted(word)}: not a URL ({error})") from None
