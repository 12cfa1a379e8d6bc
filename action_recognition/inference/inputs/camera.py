"""Cameras of this machine, by OpenCV."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import cv2
import numpy as np
from numpy.typing import NDArray

from action_recognition.errors import VideoError
from action_recognition.inference.inputs.base import DEFAULT_INPUTS, InputSettings
from action_recognition.inference.inputs.live import LiveInput
from action_recognition.video.frames import ClipMetadata, Frame, FrameFormat
from action_recognition.video.timed_frames import TimedFrame


@contextmanager
def open_camera(
    number: int, frame_format: FrameFormat, settings: InputSettings = DEFAULT_INPUTS
) -> Iterator[LiveInput]:
    """Open a camera for the length of a `with` block; `number` counts from 0, as in `/dev/video0`.

    Raises:
        VideoError: if there is none, or another program uses it.
    """
    connect = partial(CameraConnection, number, frame_format)
    with LiveInput(connect(), connect, settings) as live:
        yield live


class CameraConnection:
    """An open camera. Its frames have the time at which they arrive.

    Raises:
        VideoError: as `open_camera`, or for a model of depth images.
    """

    is_live = True

    def __init__(self, number: int, frame_format: FrameFormat) -> None:
        self.origin = f"camera {number}"
        self.format = frame_format
        if frame_format.channels != 3:
            raise VideoError(f"{self.origin}: RGB, expected depth images of {frame_format.channels} channel")
        with _quiet():
            self._capture = cv2.VideoCapture(number)
        if not self._capture.isOpened():
            self.close()
            raise VideoError(f"{self.origin}: there is none, or another program uses it; 0 is the first one")

    def close(self) -> None:
        self._capture.release()

    @property
    def metadata(self) -> ClipMetadata:
        get = self._capture.get
        width, height = int(get(cv2.CAP_PROP_FRAME_WIDTH)), int(get(cv2.CAP_PROP_FRAME_HEIGHT))
        return ClipMetadata(frames=0, fps=max(0.0, float(get(cv2.CAP_PROP_FPS))), width=width, height=height)

    def timed(self) -> Iterator[TimedFrame]:
        """The frames as they come, until the camera is unplugged."""
        start: float | None = None
        while True:
            ok, frame_BGR = self._capture.read()
            if not ok:
                return
            now = time.monotonic()
            start = now if start is None else start
            yield TimedFrame(now - start, partial(self._converted, frame_BGR))

    def _converted(self, frame_BGR: NDArray) -> Frame:
        return np.asarray(cv2.cvtColor(self.format.resized(frame_BGR), cv2.COLOR_BGR2RGB), dtype=np.uint8)


@contextmanager
def _quiet() -> Iterator[None]:
    """OpenCV prints lines of its own about a camera that is not there."""
    before = cv2.utils.logging.getLogLevel()
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        yield
    finally:
        cv2.utils.logging.setLogLevel(before)
