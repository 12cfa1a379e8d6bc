"""Opening anything that frames can be read from."""

from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path

from action_recognition.inference.inputs.base import FrameInput
from action_recognition.video.clip_files import open_clip
from action_recognition.video.frames import FrameFormat

Input = str | PathLike[str]


@contextmanager
def open_input(given: Input, frame_format: FrameFormat) -> Iterator[FrameInput]:
    """Open an input for the length of a `with` block.

    Args:
        given: the path of a video, of an image, or of a folder of images.

    Raises:
        VideoError: if it cannot be opened.
    """
    with open_clip(Path(given), frame_format) as clip:
        yield clip
