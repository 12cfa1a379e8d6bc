"""Inputs under another name, with times, or with an earlier end."""

import math
from collections.abc import Iterator
from dataclasses import replace

from action_recognition.errors import VideoError
from action_recognition.inference.inputs.base import FrameInput
from action_recognition.video.frames import ClipMetadata
from action_recognition.video.timed_frames import TimedFrame


class Named:
    """An input as it is, under the name `origin`."""

    def __init__(self, inner: FrameInput, origin: str) -> None:
        self.inner = inner
        self.origin = origin
        self.is_live = inner.is_live

    @property
    def metadata(self) -> ClipMetadata:
        return self.inner.metadata

    def timed(self) -> Iterator[TimedFrame]:
        return self.inner.timed()


class Paced(Named):
    """Frames without times get those of `fps` frames per second; times that an input has stay."""

    def __init__(self, inner: FrameInput, fps: float) -> None:
        super().__init__(inner, inner.origin)
        self.fps = fps

    @property
    def metadata(self) -> ClipMetadata:
        found = self.inner.metadata
        return found if found.fps else replace(found, fps=self.fps)

    def timed(self) -> Iterator[TimedFrame]:
        for number, frame in enumerate(self.inner.timed()):
            yield frame if frame.seconds is not None else TimedFrame(number / self.fps, frame.read)


class Shortened(Named):
    """An input that ends before its first frame at or after `max_seconds`."""

    def __init__(self, inner: FrameInput, max_seconds: float) -> None:
        super().__init__(inner, inner.origin)
        self.max_seconds = max_seconds

    @property
    def metadata(self) -> ClipMetadata:
        found = self.inner.metadata
        most = math.ceil(self.max_seconds * found.fps)
        return replace(found, frames=min(found.frames, most)) if most > 0 else found

    def timed(self) -> Iterator[TimedFrame]:
        """As of the inner input.

        Raises:
            VideoError: if its frames have no times.
        """
        for frame in self.inner.timed():
            if frame.seconds is None:
                what = "its frames have no times, so that it cannot end after max_seconds"
                raise VideoError(f"{self.origin}: {what}; expected fps, their number per second")
            if frame.seconds >= self.max_seconds:
                return
            yield frame
