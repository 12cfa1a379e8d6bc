"""Videos that are in memory or come from a pipe. Decoders seek, so they are written to a temporary file first."""

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import IO

from action_recognition.errors import VideoError
from action_recognition.inference.inputs.base import FrameInput
from action_recognition.inference.inputs.wrapped import Named
from action_recognition.utils.text import printable
from action_recognition.video.decoder import VideoFile
from action_recognition.video.frames import FrameFormat

BLOCK_BYTES = 1 << 20
Content = bytes | bytearray | memoryview


@contextmanager
def open_content(content: Content | IO[bytes], frame_format: FrameFormat, *, name: str) -> Iterator[FrameInput]:
    """The video whose file has this content: bytes, or a binary file that is read from where it is to its end.

    Raises:
        VideoError: as `VideoFile`, or if there is no room for the temporary file.
    """
    path = spool(content, name=name)
    try:
        with open_as(path, frame_format, name=name) as opened:
            yield opened
    finally:
        path.unlink(missing_ok=True)


@contextmanager
def open_as(path: Path, frame_format: FrameFormat, *, name: str) -> Iterator[FrameInput]:
    """The video in a file under another name, also in the errors of the `with` block."""
    try:
        with closing(VideoFile(path, frame_format)) as video:
            yield Named(video, name)
    except VideoError as error:
        raise VideoError(str(error).replace(printable(path), name)) from None


def spool(content: Content | IO[bytes], *, name: str) -> Path:
    """Write to a temporary file, holding one block at a time; the caller removes it.

    Raises:
        VideoError: if that fails; nothing is left behind then.
    """
    try:
        file = tempfile.NamedTemporaryFile(prefix="action-recognition-", suffix=".video", delete=False)  # noqa: SIM115
    except OSError as error:
        what = f"no temporary file can be made ({error.strerror or error})"
        raise VideoError(f"{name}: {what}; TMPDIR names the folder") from None
    path = Path(file.name)
    try:
        with file:
            for block in _blocks(content, name):
                file.write(block)
    except BaseException as error:
        path.unlink(missing_ok=True)
        if isinstance(error, OSError | ValueError):  # ValueError: the file is closed
            what = f"could not be copied to {path.parent} ({getattr(error, 'strerror', None) or error})"
            raise VideoError(f"{name}: {what}; TMPDIR names another folder") from None
        raise
    return path


def _blocks(content: Content | IO[bytes], name: str) -> Iterable[Content]:
    if isinstance(content, bytes | bytearray | memoryview):
        return [content]
    if isinstance(content.read(0), str):
        raise VideoError(f"{name}: a file open as text, expected one open in mode 'rb'")
    return iter(partial(content.read, BLOCK_BYTES), b"")
