"""A video with the model's opinion drawn in: the label of the moment, and a timeline of all of them."""

import colorsys
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from action_recognition.errors import UserError, VideoError
from action_recognition.inference.prediction import Prediction
from action_recognition.utils.files import replacing
from action_recognition.video.clip_files import iter_clip_frames
from action_recognition.video.decoder import Frame, ffmpeg_name, probe

MIN_SHORT_SIDE = 240  # pixels; below it the text could not be read
MAX_LONG_SIDE = 8190  # pixels; MPEG-4 has no more
UNKNOWN_FPS = 25.0
FONT = cv2.FONT_HERSHEY_DUPLEX
WHITE = (255, 255, 255)
Color = tuple[int, int, int]


def write_labelled_video(prediction: Prediction, source: Path, path: Path) -> None:
    """Write `source` as MPEG-4 with, on every frame, the label and probability of the window around it.

    A strip along the bottom shows the labels of the whole video, each in its colour, and where the frame is. Small
    videos are enlarged until their shorter side has `MIN_SHORT_SIDE` pixels, as far as MPEG-4 goes. Sound is left out.

    Args:
        path: an .mp4 file; it appears when it is complete.

    Raises:
        VideoError: if `source` cannot be decoded, or is too long and narrow to be drawn in.
        UserError: if `path` cannot be written.
    """
    try:
        with replacing(path) as partial:
            _write(prediction, source, partial)
            written = _frames_in(partial)
            if written != prediction.frames:
                raise UserError(f"{path}: only {written} of {prediction.frames} frames could be written; disk full?")
    except OSError as error:
        raise UserError(f"{path}: could not be written ({error.strerror or error})") from None


def _write(prediction: Prediction, source: Path, path: Path) -> None:
    writer = None
    try:
        for number, frame_HWC in enumerate(iter_clip_frames(source)):
            canvas_HWC = _canvas(frame_HWC, source)
            if writer is None:
                height, width = canvas_HWC.shape[:2]
                painter = Painter(prediction, width=width, height=height)
                codec = cv2.VideoWriter.fourcc(*"mp4v")
                writer = cv2.VideoWriter()
                rate = prediction.fps or UNKNOWN_FPS
                name = ffmpeg_name(path)
                if not writer.open(name, cv2.CAP_FFMPEG, codec, rate, (width, height)):  # type: ignore[arg-type]
                    raise UserError(f"{path.parent}: no MPEG-4 video can be written there")
            painter.draw(canvas_HWC, number)
            writer.write(cv2.cvtColor(canvas_HWC, cv2.COLOR_RGB2BGR))
    finally:
        if writer is not None:
            writer.release()


def _frames_in(path: Path) -> int:
    """OpenCV says nothing when the disk is full; what can be read back tells."""
    try:
        return probe(path).frames
    except VideoError:
        return 0


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


def label_color(label: int) -> Color:
    """A bright colour for label number `label`; neighbours lie far apart on the colour circle."""
    red, green, blue = colorsys.hsv_to_rgb(label * 0.618034 % 1.0, 0.65, 0.95)
    return round(red * 255), round(green * 255), round(blue * 255)


def _canvas(frame_HWC: Frame, source: Path) -> Frame:
    """A copy to draw into, large enough for text, with the even sides that MPEG-4 wants."""
    height, width = frame_HWC.shape[:2]
    short, long = sorted((height, width))
    scale = min(max(1.0, MIN_SHORT_SIDE / short), MAX_LONG_SIDE / long)
    if scale * short < MIN_SHORT_SIDE / 2:
        raise VideoError(f"{source}: {width}x{height} pixels are too long and narrow for labels to be drawn in")
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
