"""A video with heat laid over it, as MP4; a single frame as PNG."""

from contextlib import ExitStack
from itertools import islice
from pathlib import Path

import cv2
import numpy as np

from action_recognition.errors import UserError, VideoError
from action_recognition.explain.heat import Heat, HeatWindow
from action_recognition.explain.heat_pictures import caption, draw_heat
from action_recognition.inference.inputs.open import Input
from action_recognition.inference.labelled_video.overlay import canvas_of
from action_recognition.inference.labelled_video.pictures import open_pictures
from action_recognition.inference.labelled_video.video_writer import UNKNOWN_FPS, VideoWriter, writing_video
from action_recognition.utils.files import replace_file
from action_recognition.video.frames import Frame


def write_heat_video(heat: Heat, given: Input, path: Path, *, method: str, scale: str) -> Path:
    """Write an input with its heat: H.264 at the input's rate and times, without sound; a single frame as PNG.

    All of each frame is shown, below a strip with the label; heat lies on the square that the model sees, and what is
    around it is darkened. Label and probability are those of the window that is nearest. The input is read a second
    time, because the scale is known only after the first; one frame is held at a time.

    Args:
        given: what the heat was measured of; it must be possible to read it again.
        path: without suffix.
        method: how it was made, for the caption.
        scale: what the brightest colour stands for.

    Returns:
        The file.

    Raises:
        VideoError: if the input cannot be read, or is too long and narrow to be drawn in.
        UserError: if the file cannot be written.
    """
    if heat.frames == 1:
        return _write_picture(heat, given, path.with_name(f"{path.name}.png"), method=method, scale=scale)
    path = path.with_name(f"{path.name}.mp4")
    fps = heat.fps or UNKNOWN_FPS
    with writing_video(path, frames=heat.frames) as partial, open_pictures(given) as frames, ExitStack() as stack:
        writer = None
        for number, frame in enumerate(islice(frames, heat.frames)):
            canvas_HWC = _drawn(heat, frame.read(), number, frame.seconds, str(given), method=method, scale=scale)
            if writer is None:
                height, width = canvas_HWC.shape[:2]
                writer = stack.enter_context(VideoWriter(partial, fps=fps, width=width, height=height))
            writer.write(canvas_HWC, number / fps if frame.seconds is None else frame.seconds)
    return path


def said(window: HeatWindow) -> str:
    """The class of a window and how probable it is."""
    return f"{window.label} {window.probability:.0%}"


def _drawn(
    heat: Heat, frame_HWC: Frame, number: int, seconds: float | None, origin: str, *, method: str, scale: str
) -> Frame:
    canvas_HWC = canvas_of(frame_HWC, origin)
    heat_HW, window = heat.at(number, seconds)
    draw_heat(canvas_HWC, heat_HW, heat.contract)
    height, width = canvas_HWC.shape[:2]
    return np.concatenate([caption(width, height, said(window), method, scale), canvas_HWC])


def _write_picture(heat: Heat, given: Input, path: Path, *, method: str, scale: str) -> Path:
    with open_pictures(given) as frames:
        frame = next(iter(frames), None)
        if frame is None:
            raise VideoError(f"{path.stem}: the input has no frame any more")
        canvas_HWC = _drawn(heat, frame.read(), 0, frame.seconds, str(given), method=method, scale=scale)
    _, png = cv2.imencode(".png", cv2.cvtColor(canvas_HWC, cv2.COLOR_RGB2BGR))
    try:
        replace_file(path, png.tobytes())
    except OSError as error:
        raise UserError(f"{path}: could not be written ({error.strerror or error})") from None
    return path
