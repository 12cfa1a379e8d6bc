"""The frames of any input as pictures for people: in full size, depth as shades of grey."""

from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike, fsdecode
from pathlib import Path

import cv2
import numpy as np

from action_recognition.errors import VideoError
from action_recognition.inference.inputs.given import Stdin
from action_recognition.inference.inputs.open import Input, open_input
from action_recognition.inference.inputs.patterns import as_starred
from action_recognition.video.clip_files import frame_files
from action_recognition.video.frames import AS_THEY_ARE, Frame, FrameFormat
from action_recognition.video.image_sequence import ImageSequence
from action_recognition.video.timed_frames import TimedFrame

DEPTH = FrameFormat(channels=1, bits=None)
# Of a depth sequence: so many frames tell which values are black and white, leaving out the outermost values.
SAMPLED_FRAMES = 16
DARKEST, BRIGHTEST = 0.5, 99.5  # per cent
Scale = tuple[float, float]


@contextmanager
def open_pictures(given: Input) -> Iterator[Iterator[TimedFrame]]:
    """The frames of an input, RGB uint8 `[H, W, 3]`; of depth, larger values are brighter, on one scale for all frames.

    Raises:
        VideoError: as `open_input`, and while the frames are read.
    """
    scale = depth_scale(given)
    with open_input(given, DEPTH if scale else AS_THEY_ARE) as opened:
        yield (_as_grey(frame, *scale) for frame in opened.timed()) if scale else opened.timed()


def file_of(given: Input) -> Path | None:
    """The file that an input is read from; None if it comes from elsewhere."""
    if isinstance(given, Stdin):
        return given.path
    return as_starred(Path(fsdecode(given))) if isinstance(given, str | PathLike) else None


def depth_scale(given: Input) -> Scale | None:
    """The values of a depth sequence that are shown as black and white; None for colour images and videos.

    Images of equal colour channels count as depth too.
    """
    try:
        values = _some_depth(given)
    except VideoError:  # colour images, or unreadable, which is reported when they are read
        return None
    if values is None:
        return None
    measured = values[values > 0]  # cameras give 0 where they measure nothing
    if measured.size == 0:
        return 0.0, 1.0
    darkest, brightest = np.percentile(measured, (DARKEST, BRIGHTEST))
    return min(float(darkest), float(brightest) - 1), float(brightest)


def _some_depth(given: Input) -> Frame | None:
    """Some frames of depth; None if the input has colours."""
    shape = getattr(given, "shape", None)
    if shape is not None:
        is_depth = len(shape) == 3 or (len(shape) == 4 and shape[-1] == 1)
        return np.asarray(given)[_spread(shape[0])] if is_depth and shape[0] else None
    path = file_of(given)
    files = frame_files(path) if path else None
    if not path or not files:
        return None
    return np.stack(list(ImageSequence(path, tuple(files[place] for place in _spread(len(files))), DEPTH)))


def _spread(count: int) -> list[int]:
    return sorted({int(place) for place in np.linspace(0, count - 1, SAMPLED_FRAMES)})


def _as_grey(frame: TimedFrame, darkest: float, brightest: float) -> TimedFrame:
    def read() -> Frame:
        grey_HW = (frame.read()[..., 0].astype(np.float32) - darkest) * (255 / (brightest - darkest))
        return np.asarray(cv2.cvtColor(np.clip(grey_HW, 0, 255).astype(np.uint8), cv2.COLOR_GRAY2RGB), dtype=np.uint8)

    return TimedFrame(frame.seconds, read)
