"""Writing videos that browsers and notebooks play: MP4 with H.264 and sound, its index in front of the frames."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path
from typing import Self

import av
import numpy as np
from av.codec import Codec
from av.codec.codec import UnknownCodecError
from av.video.reformatter import VideoReformatter

from action_recognition.errors import UserError, VideoError
from action_recognition.inference.labelled_video.sound import Sound
from action_recognition.utils.files import replacing
from action_recognition.video.clip_files import open_clip
from action_recognition.video.frames import Frame

H264 = "libx264"
# FFmpeg's own MPEG-4 encoder is for builds without x264. VLC and OpenCV play its files, browsers do not.
ENCODERS = (H264, "mpeg4")
OPTIONS = {H264: {"preset": "veryfast"}, "mpeg4": {"qscale": "3"}}
CRF = 20
# Times are counted in these parts of a second. All usual rates and whole milliseconds are whole numbers of them, and
# MPEG-4 has 16 bits for them.
TICKS = 60_000
KEYFRAME_SECONDS = 2
UNKNOWN_FPS = 25.0  # of frames without times
BT601, LIMITED_RANGE = 6, 1  # FFmpeg's numbers for its conversion from RGB


def available_encoder() -> str:
    """H.264 where PyAV's FFmpeg has it, else MPEG-4."""
    for name in ENCODERS:
        with suppress(UnknownCodecError):
            Codec(name, "w")
            return name
    raise RuntimeError("PyAV has neither H.264 nor MPEG-4; install it again: pip install --force-reinstall av")


@contextmanager
def writing_video(path: Path, *, frames: int) -> Iterator[Path]:
    """Yield a path to write a video to; it appears at `path` once it is found to have this number of frames.

    Raises:
        UserError: if `path` cannot be written; FFmpeg does not report every full disk.
    """
    try:
        with replacing(path) as partial:
            yield partial
            try:
                with open_clip(partial) as clip:
                    written = clip.metadata.frames
            except VideoError:
                written = 0
            if written != frames:
                raise UserError(f"{path}: only {written} of {frames} frames could be written; disk full?")
    except MemoryError:  # FFmpeg's is an error of both kinds
        raise
    except (OSError, av.FFmpegError) as error:
        raise UserError(f"{path}: could not be written ({error.strerror or error})") from None


class VideoWriter:
    """Writes RGB frames of one size to an MP4 file, in a `with` block.

    Args:
        fps: frames per second, whole or not, from 0.01 to 60,000: the rate of frames that are written without a time.
        width, height: pixels, even.
        sound: is written beside the frames and ends with the last of them.
        crf: quality of H.264; lower is better.

    Raises:
        OSError, av.FFmpegError: if the file cannot be written.
    """

    def __init__(
        self, path: Path, *, fps: float, width: int, height: int, sound: Sound | None = None, crf: int = CRF
    ) -> None:
        self._rate = frame_rate(fps)
        # With the protocol, or FFmpeg takes `12:30.mp4` for protocol `12`.
        url, options = f"file:{path.absolute()}", {"movflags": "+faststart", "movie_timescale": str(TICKS)}
        self._container = av.open(url, "w", format="mp4", options=options)
        encoder = available_encoder()
        quality = OPTIONS[encoder] | {"crf": str(crf)}
        self._stream = self._container.add_stream(encoder, rate=self._rate, options=quality)
        self._stream.width, self._stream.height = width, height
        self._stream.pix_fmt = "yuv420p"
        context = self._stream.codec_context
        context.time_base = self._stream.time_base = Fraction(1, TICKS)
        context.thread_type = "AUTO"  # PyAV's choice, threads within a frame, makes larger files more slowly
        context.gop_size = max(1, round(KEYFRAME_SECONDS * self._rate))
        context.colorspace, context.color_range = BT601, LIMITED_RANGE
        # One for all frames: to set up the conversion takes longer than to convert a small frame.
        self._reformatter = VideoReformatter()
        self._ticks = -1
        self._frames = 0
        self._sound = sound
        if sound:
            sound.attach(self._container)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, error: object, *_: object) -> None:
        if error is None:
            self._container.mux(self._stream.encode(None))
            self._write_sound(self._ticks / TICKS + 1 / float(self._rate))
            if self._sound:
                self._container.mux(list(self._sound.rest()))
            self._container.close()
            return
        with suppress(av.FFmpegError, OSError):  # what went wrong before says more
            self._container.close()

    def write(self, frame_HWC: Frame, seconds: float | None = None) -> None:
        """Add a frame, RGB uint8 `[height, width, 3]`, that is shown at a time; None: at the constant rate."""
        wanted = round((self._frames / self._rate if seconds is None else seconds) * TICKS)
        self._ticks = max(self._ticks + 1, wanted)
        rgb = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame_HWC), format="rgb24")
        frame = self._reformatter.reformat(rgb, format="yuv420p")
        frame.pts, frame.time_base = self._ticks, self._stream.codec_context.time_base
        frame.duration = round(TICKS / self._rate)
        self._container.mux(self._stream.encode(frame))
        self._frames += 1
        self._write_sound(self._ticks / TICKS)

    def _write_sound(self, until_seconds: float) -> None:
        if self._sound:
            for packet in self._sound.until(until_seconds):
                self._container.mux(packet)


def frame_rate(fps: float) -> Fraction:
    """The nearest rate that every encoder takes, such as 30000/1001."""
    fps = min(max(fps, 0.01), TICKS)
    return Fraction(fps).limit_denominator(min(1001, int(TICKS / fps)))
