"""A video with the model's labels drawn in, and its sound."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from itertools import islice
from pathlib import Path

import av
import cv2
import numpy as np

from action_recognition.errors import UserError, VideoError
from action_recognition.inference.painter import Painter
from action_recognition.inference.prediction import Prediction
from action_recognition.inference.sound import open_sound
from action_recognition.inference.video_writer import VideoWriter
from action_recognition.utils.files import replacing
from action_recognition.video.clip_files import Clip, frame_files, open_clip
from action_recognition.video.frames import Frame, FrameFormat

MIN_SHORT_SIDE = 240  # pixels; below it the text could not be read
MAX_LONG_SIDE = 8190  # pixels; few decoders take more
UNKNOWN_FPS = 25.0
DEPTH = FrameFormat(channels=1, bits=None)
# Of a depth sequence: so many frames tell which values are black and white, leaving out the outermost values.
SAMPLED_FRAMES = 16
DARKEST, BRIGHTEST = 0.5, 99.5  # per cent


def write_labelled_video(prediction: Prediction, clip_path: Path, path: Path, *, top_k: int = 3) -> None:
    """Write a clip as MP4 with, on every frame, its segment and the likeliest classes of the window around it.

    A strip along the bottom shows the segments of the whole video, each in its colour, and where the frame is. Frames
    keep their times, upright, and the sound of a video comes along (`sound`). Images without times are shown at
    `UNKNOWN_FPS`; of depth, nearer and farther values as darker and brighter, on one scale for the whole sequence.

    Small videos are enlarged until their shorter side has `MIN_SHORT_SIDE` pixels, as far as `MAX_LONG_SIDE` allows.
    The clip is decoded a second time: the first frame shows the labels of the last one, and holding all frames until
    these are known would take the memory of the whole video.

    Args:
        clip_path: what the prediction was made of: a video, an image, or a folder of images.
        path: an .mp4 file; it appears when it is complete.
        top_k: classes shown with a bar.

    Raises:
        VideoError: if the clip cannot be decoded, or is too long and narrow to be drawn in.
        UserError: if `path` cannot be written.
    """
    try:
        with replacing(path) as partial:
            try:
                _write(prediction, clip_path, partial, top_k=top_k, with_sound=True)
            except av.FFmpegError as error:
                if isinstance(error, OSError | MemoryError):
                    raise
                _write(prediction, clip_path, partial, top_k=top_k, with_sound=False)  # MP4 does not take the sound
            _check_written(prediction, partial, path)
    except MemoryError:  # FFmpeg's is an error of both kinds
        raise
    except (OSError, av.FFmpegError) as error:
        raise UserError(f"{path}: could not be written ({error.strerror or error})") from None


def _write(prediction: Prediction, clip_path: Path, path: Path, *, top_k: int, with_sound: bool) -> None:
    prediction = with_times(prediction)
    with open_pictures(clip_path) as frames, ExitStack() as stack:
        writer = painter = None
        for number, (seconds, frame_HWC) in enumerate(islice(frames, prediction.frames)):
            canvas_HWC = _canvas(frame_HWC, clip_path)
            if writer is None or painter is None:
                height, width = canvas_HWC.shape[:2]
                painter = Painter(prediction, width=width, height=height, top_k=top_k)
                sound = stack.enter_context(open_sound(clip_path)) if with_sound else None
                writer = VideoWriter(path, fps=prediction.fps, width=width, height=height, sound=sound)
                stack.enter_context(writer)
            seconds = number / prediction.fps if seconds is None else seconds
            painter.draw(canvas_HWC, number, seconds)
            writer.write(canvas_HWC, seconds)


def _check_written(prediction: Prediction, partial: Path, path: Path) -> None:
    """Raise `UserError` if frames are missing: FFmpeg does not report every full disk."""
    try:
        with open_clip(partial) as clip:
            written = clip.metadata.frames
    except VideoError:
        written = 0
    if written != prediction.frames:
        raise UserError(f"{path}: only {written} of {prediction.frames} frames could be written; disk full?")


def with_times(prediction: Prediction) -> Prediction:
    """A prediction without times as if its frames were shown at `UNKNOWN_FPS`; any other as it is."""
    if prediction.fps:
        return prediction
    windows = tuple(
        replace(
            window,
            start_seconds=window.first_frame / UNKNOWN_FPS,
            end_seconds=window.end_frame / UNKNOWN_FPS,
        )
        for window in prediction.windows
    )
    duration_seconds = prediction.frames / UNKNOWN_FPS
    return replace(prediction, fps=UNKNOWN_FPS, duration_seconds=duration_seconds, windows=windows)


@contextmanager
def open_pictures(path: Path) -> Iterator[Iterator[tuple[float | None, Frame]]]:
    """The frames of a clip as RGB uint8 `[H, W, 3]` with their times, None without; depth as shades of grey.

    Raises:
        VideoError: as `open_clip`, and while the frames are read.
    """
    scale = _depth_scale(path)
    with open_clip(path, DEPTH if scale else FrameFormat()) as clip:
        frames = ((frame.seconds, frame.read()) for frame in clip.timed())
        yield ((seconds, _grey(frame_HWC, *scale)) for seconds, frame_HWC in frames) if scale else frames


def _depth_scale(path: Path) -> tuple[float, float] | None:
    """The values of a depth sequence that are shown as black and white; None for colour images and videos."""
    if frame_files(path) is None:
        return None
    try:
        with open_clip(path, DEPTH) as clip:
            frames_THWC = clip.frames_at(_spread(clip))
    except VideoError:  # colour images, or unreadable, which is reported when they are read
        return None
    measured = frames_THWC[frames_THWC > 0]  # cameras give 0 where they measure nothing
    if measured.size == 0:
        return 0.0, 1.0
    darkest, brightest = np.percentile(measured, (DARKEST, BRIGHTEST))
    return min(float(darkest), float(brightest) - 1), float(brightest)


def _spread(clip: Clip) -> np.ndarray:
    count = clip.metadata.frames
    return np.unique(np.linspace(0, count - 1, min(count, SAMPLED_FRAMES)).astype(np.int64))


def _grey(depth_HWC: Frame, darkest: float, brightest: float) -> Frame:
    grey_HW = (depth_HWC[..., 0].astype(np.float32) - darkest) * (255 / (brightest - darkest))
    return np.asarray(cv2.cvtColor(np.clip(grey_HW, 0, 255).astype(np.uint8), cv2.COLOR_GRAY2RGB), dtype=np.uint8)


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
