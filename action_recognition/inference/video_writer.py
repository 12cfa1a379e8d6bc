"""Writing videos that browsers and notebooks play: MP4 with H.264, its index in front of the frames."""

from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Self

import av
import numpy as np
from av.codec import Codec
from av.codec.codec import UnknownCodecError

from action_recognition.video.frames import Frame

H264 = "libx264"
# FFmpeg's own MPEG-4 encoder is for builds without x264. VLC and OpenCV play its files, browsers do not.
ENCODERS = (H264, "mpeg4")
OPTIONS = {H264: {"preset": "veryfast", "crf": "20"}, "mpeg4": {"qscale": "3"}}
# MPEG-4 has 16 bits for the ticks of a second.
MOST_TICKS = 65_535
KEYFRAME_SECONDS = 2
BT601, LIMITED_RANGE = 6, 1  # FFmpeg's numbers for its conversion from RGB


def available_encoder() -> str:
    """H.264 where PyAV's FFmpeg has it, else MPEG-4."""
    for name in ENCODERS:
        with suppress(UnknownCodecError):
            Codec(name, "w")
            return name
    raise RuntimeError("PyAV has neither H.264 nor MPEG-4; install it again: pip install --force-reinstall av")


class VideoWriter:
    """Writes RGB frames of one size to an MP4 file without sound, in a `with` block.

    Args:
        fps: frames per second, whole or not; from 0.01 to 65,535.
        width, height: pixels, even.

    Raises:
        OSError, av.FFmpegError: if the file cannot be written.
    """

    def __init__(self, path: Path, *, fps: float, width: int, height: int) -> None:
        rate = frame_rate(fps)
        # With the protocol, or FFmpeg takes `12:30.mp4` for protocol `12`.
        url, options = f"file:{path.absolute()}", {"movflags": "+faststart"}
        self._container = av.open(url, "w", format="mp4", options=options)
        encoder = available_encoder()
        self._stream = self._container.add_stream(encoder, rate=rate, options=OPTIONS[encoder])
        self._stream.width, self._stream.height = width, height
        self._stream.pix_fmt = "yuv420p"
        self._stream.time_base = self._stream.codec_context.time_base = 1 / rate
        self._stream.codec_context.gop_size = max(1, round(KEYFRAME_SECONDS * rate))
        self._stream.codec_context.colorspace, self._stream.codec_context.color_range = BT601, LIMITED_RANGE
        self._frames = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, error: object, *_: object) -> None:
        if error is None:
            self._container.mux(self._stream.encode(None))
            self._container.close()
            return
        with suppress(av.FFmpegError, OSError):  # what went wrong before says more
            self._container.close()

    def write(self, frame_HWC: Frame) -> None:
        """Add a frame, RGB uint8 `[height, width, 3]`."""
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame_HWC), format="rgb24")
        frame.pts, frame.time_base = self._frames, self._stream.codec_context.time_base
        self._container.mux(self._stream.encode(frame))
        self._frames += 1


def frame_rate(fps: float) -> Fraction:
    """The nearest rate that every encoder takes, such as 30000/1001."""
    fps = min(max(fps, 0.01), MOST_TICKS)
    return Fraction(fps).limit_denominator(min(1001, int(MOST_TICKS / fps)))
