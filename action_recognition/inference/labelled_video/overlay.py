"""A video with the model's labels drawn in, and its sound."""

from contextlib import ExitStack
from itertools import islice
from pathlib import Path

import av
import cv2
import numpy as np

from action_recognition.errors import VideoError
from action_recognition.inference.inputs.open import Input
from action_recognition.inference.labelled_video.painter import Painter
from action_recognition.inference.labelled_video.pictures import file_of, open_pictures
from action_recognition.inference.labelled_video.sound import open_sound
from action_recognition.inference.labelled_video.video_writer import UNKNOWN_FPS, VideoWriter, writing_video
from action_recognition.inference.video_labels import VideoLabels
from action_recognition.video.frames import Frame

MIN_SHORT_SIDE = 240  # pixels; below it the text could not be read
MAX_LONG_SIDE = 8190  # pixels; few decoders take more


def write_labelled_video(labels: VideoLabels, given: Input, path: Path, *, top_k: int = 3) -> None:
    """Write an input as MP4 with, on every frame, its segment and the likeliest classes of the window around it.

    A strip along the top shows the segments of the whole video, each in its colour, and where the frame is. Frames
    keep their times, upright, and the sound of a video comes along (`sound`). Frames without times are shown at
    `UNKNOWN_FPS`, depth in shades of grey (`pictures`).

    Small videos are enlarged until their shorter side has `MIN_SHORT_SIDE` pixels, as far as `MAX_LONG_SIDE` allows.
    The input is read a second time: the first frame shows the labels of the last one, and holding all frames until
    these are known would take the memory of the whole video.

    Args:
        given: what the labels are of, see `open_input`; it must be possible to read it again.
        path: an .mp4 file; it appears when it is complete.
        top_k: classes shown with a bar.

    Raises:
        VideoError: if the input cannot be read, or is too long and narrow to be drawn in.
        UserError: if `path` cannot be written.
    """
    with writing_video(path, frames=labels.frames) as partial:
        try:
            _write(labels, given, partial, top_k=top_k, with_sound=True)
        except av.FFmpegError as error:
            if isinstance(error, OSError | MemoryError):
                raise
            _write(labels, given, partial, top_k=top_k, with_sound=False)  # MP4 does not take the sound


def _write(labels: VideoLabels, given: Input, path: Path, *, top_k: int, with_sound: bool) -> None:
    fps, file = labels.fps or UNKNOWN_FPS, file_of(given) if with_sound else None
    with open_pictures(given) as frames, ExitStack() as stack:
        writer = painter = None
        for number, frame in enumerate(islice(frames, labels.frames)):
            canvas_HWC = canvas_of(frame.read(), labels.input)
            if writer is None or painter is None:
                height, width = canvas_HWC.shape[:2]
                painter = Painter(labels, width=width, height=height, top_k=top_k)
                sound = stack.enter_context(open_sound(file)) if file else None
                writer = stack.enter_context(VideoWriter(path, fps=fps, width=width, height=height, sound=sound))
            seconds = number / fps if frame.seconds is None else frame.seconds
            painter.draw(canvas_HWC, number, seconds)
            writer.write(canvas_HWC, seconds)


def canvas_of(frame_HWC: Frame, origin: str) -> Frame:
    """A copy to draw into, large enough for text, with the even sides that H.264 wants."""
    height, width = frame_HWC.shape[:2]
    short, long = sorted((height, width))
    scale = min(max(1.0, MIN_SHORT_SIDE / short), MAX_LONG_SIDE / long)
    if scale * short < MIN_SHORT_SIDE / 2:
        raise VideoError(f"{origin}: {width}x{height} pixels are too long and narrow for labels to be drawn in")
    size = (2 * round(width * scale / 2), 2 * round(height * scale / 2))
    if size == (width, height):
        return frame_HWC.copy()
    return np.asarray(cv2.resize(frame_HWC, size, interpolation=cv2.INTER_LINEAR), dtype=np.uint8)
