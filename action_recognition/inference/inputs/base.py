"""The protocol of inputs: what a predictor reads frames from."""

from collections.abc import Iterator
from typing import Protocol

from action_recognition.video.frames import ClipMetadata
from action_recognition.video.timed_frames import TimedFrame


class FrameInput(Protocol):
    """An open input. `VideoFile` and `ImageSequence` are two.

    Attributes:
        is_live: it goes on until it is closed, as a camera does.
    """

    is_live: bool

    @property
    def origin(self) -> str:
        """Its name in messages and results."""
        ...

    @property
    def metadata(self) -> ClipMetadata: ...

    def timed(self) -> Iterator[TimedFrame]:
        """The frames in order, in the format that the input was opened for.

        Raises:
            VideoError: if it cannot be read.
        """
        ...
