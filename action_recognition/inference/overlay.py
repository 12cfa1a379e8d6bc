"""A video with the model's labels drawn in: the current one, and a timeline of all of them."""

from contextlib import ExitStack
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from action_recognition.errors import UserError, VideoError
from action_recognition.inference.colors import Color, label_color
from action_recognition.inference.prediction import Prediction
from action_recognition.inference.video_writer import VideoWriter
from action_recognition.utils.files import replacing
from action_recognition.video.clip_files import open_clip
from action_recognition.video.frames import Frame

MIN_SHORT_SIDE = 240  # pixels; below it the text could not be read
MAX_LONG_SIDE = 8190  # pixels; few decoders take more
UNKNOWN_FPS = 25.0
FONT = cv2.FONT_HERSHEY_DUPLEX
WHITE = (255, 255, 255)


def write_labelled_video(prediction: Prediction, clip_path: Path, path: Path) -> None:
    """Write a clip as MP4 with, on every frame, the label and probability of the window around it.

    A strip along the bottom shows the labels of the whole video, each in its colour, and where the frame is. Small
    videos are enlarged until their shorter side has `MIN_SHORT_SIDE` pixels, as far as `MAX_LONG_SIDE` allows. Sound is
    left out. The clip is decoded a second time: the first frame shows the labels of the last one, and holding all
    frames until these are known would take the memory of the whole video.

    Args:
        path: an .mp4 file; it appears when it is complete.

    Raises:
        VideoError: if the clip cannot be decoded, or is too long and narrow to be drawn in.
        UserError: if `path` cannot be written.
    """
    try:
        with replacing(path) as partial:
            _write(prediction, clip_path, partial)
            try:
                with open_clip(partial) as clip:
                    written = clip.metadata.frames
            except VideoError:
                written = 0
            if written != prediction.frames:
                raise UserError(f"{path}: only {written} of {prediction.frames} frames could be written; disk full?")
    except MemoryError:  # FFmpeg's is an error of both kinds
        raise
    except (OSError, av.FFmpegError) as error:
        raise UserError(f"{path}: could not be written ({error.strerror or error})") from None


def _write(prediction: Prediction, clip_path: Path, path: Path) -> None:
    with open_clip(clip_path) as clip, ExitStack() as stack:
        writer = painter = None
        for number, frame_HWC in enumerate(clip):
            canvas_HWC = _canvas(frame_HWC, clip_path)
            if writer is None or painter is None:
                height, width = canvas_HWC.shape[:2]
                painter = Painter(prediction, width=width, height=height)
                fps = prediction.fps or UNKNOWN_FPS
                writer = stack.enter_context(VideoWriter(path, fps=fps, width=width, height=height))
            painter.draw(canvas_HWC, number)
            writer.write(canvas_HWC)


class Painter:
    """Draws the labels of a prediction into frames of one size."""

    def __init__(self, prediction: Prediction, *, width: int, height: int) -> None:
        self.width, self.height = width, height
        self.prediction = prediction
        self.window_of_frame = nearest_windows(prediction)
        self.strip = max(8, height // 24)
        frames = np.minimum(np.arange(width) * prediction.frames // width, prediction.frames - 1)
        best = [int(prediction.windows[window].probabilities.argmax()) for window in self.window_of_frame[frames]]
        self.timeline_W3 = np.array([label_color(label) for label in best], dtype=np.uint8)

    def draw(self, frame_HWC: Frame, number: int) -> None:
        """Draw into frame number `number`, in place."""
        window = self.prediction.windows[self.window_of_frame[min(number, len(self.window_of_frame) - 1)]]
        best = int(window.probabilities.argmax())
        label = _ascii(self.prediction.class_names[best])
        self._draw_label(frame_HWC, label, f"  {window.probabilities[best]:.0%}", label_color(best))
        self._draw_timeline(frame_HWC, number)

    def _draw_label(self, frame_HWC: Frame, label: str, share: str, color: Color) -> None:
        scale = min(self.height, self.width) / 360
        margin, chip = max(6, round(12 * scale)), max(6, round(14 * scale))
        room = self.width - 4 * margin - chip
        if _text_size(label + share, scale)[0] > room:
            scale *= 0.75
        while _text_size(label + share, scale)[0] > room and len(label) > 3:
            label = label.rstrip(".")[:-1] + "..."
        text_width, text_height = _text_size(label + share, scale)
        bottom = text_height + 2 * margin
        panel = frame_HWC[:bottom, : text_width + 3 * margin + chip]
        panel[:] = panel // 3  # dark enough for white text on any picture
        cv2.rectangle(frame_HWC, (margin, margin), (margin + chip, bottom - margin), color, thickness=-1)
        place = (2 * margin + chip, bottom - margin)
        cv2.putText(frame_HWC, label + share, place, FONT, scale, WHITE, 1, cv2.LINE_AA)

    def _draw_timeline(self, frame_HWC: Frame, number: int) -> None:
        frame_HWC[-self.strip :] = self.timeline_W3
        cursor = min(self.width - 1, round((number + 0.5) * self.width / self.prediction.frames))
        half_width = max(1, self.width // 600)
        frame_HWC[-self.strip - 2 :, max(0, cursor - half_width) : cursor + half_width + 1] = WHITE


def nearest_windows(prediction: Prediction) -> NDArray[np.int64]:
    """`[frames]`: for each frame, the number of the window whose middle is nearest."""
    middles = np.array([window.first_frame + window.end_frame - 1 for window in prediction.windows]) / 2
    borders = (middles[1:] + middles[:-1]) / 2
    return np.searchsorted(borders, np.arange(prediction.frames))


def _canvas(frame_HWC: Frame, clip_path: Path) -> Frame:
    """A copy to draw into, large enough for text, with the even sides that H.264 wants."""
    height, width = frame_HWC.shape[:2]
    short, long = sorted((height, width))
    scale = min(max(1.0, MIN_SHORT_SIDE / short), MAX_LONG_SIDE / long)
    if scale * short < MIN_SHORT_SIDE / 2:
        raise VideoError(f"{clip_path}: {width}x{height} pixels are too long and narrow for labels to be drawn in")
    size = (2 * round(width * scale / 2), 2 * round(height * scale / 2))
    if size == (width, height):
        return frame_HWC.copy()
    return np.asarray(cv2.resize(frame_HWC, size, interpolation=cv2.INTER_LINEAR), dtype=np.uint8)


def _text_size(text: str, scale: float) -> tuple[int, int]:
    (width, height), _ = cv2.getTextSize(text, FONT, scale, 1)
    return width, height


def _ascii(text: str) -> str:
    """OpenCV's fonts have no other letters."""
    return text.encode("ascii", "replace").decode()
