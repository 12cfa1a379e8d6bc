"""Small real videos in every usual container, complete or live, written by PyAV."""

import io
import tempfile
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np


class Container(NamedTuple):
    """What PyAV needs to write a kind of file; `is_live` writes to a stream that cannot seek back to set lengths."""

    suffix: str
    muxer: str
    codec: str
    options: Mapping[str, str] = {}
    is_live: bool = False


CONTAINERS = {
    "avi": Container(".avi", "avi", "mpeg4"),
    "avi, live": Container(".avi", "avi", "mpeg4", is_live=True),
    "mp4": Container(".mp4", "mp4", "libx264"),
    "mp4, faststart": Container(".mp4", "mp4", "libx264", {"movflags": "faststart"}),
    "mp4, fragments": Container(".mp4", "mp4", "libx264", {"movflags": "frag_keyframe+empty_moov"}),
    "mp4, live": Container(".mp4", "mp4", "libx264", {"movflags": "frag_keyframe+empty_moov"}, is_live=True),
    "mov": Container(".mov", "mov", "mjpeg"),
    "3gp": Container(".3gp", "3gp", "mpeg4"),
    "mkv": Container(".mkv", "matroska", "libx264"),
    "mkv, live": Container(".mkv", "matroska", "libx264", is_live=True),
    "webm": Container(".webm", "webm", "libvpx"),
    "webm, live": Container(".webm", "webm", "libvpx", {"live": "1"}, is_live=True),
    "flv": Container(".flv", "flv", "flv"),
    "flv, live": Container(".flv", "flv", "flv", is_live=True),
    "ts": Container(".ts", "mpegts", "mpeg2video"),
    "m2ts": Container(".m2ts", "mpegts", "libx264", {"mpegts_m2ts_mode": "1"}),
    "mpg": Container(".mpg", "mpeg", "mpeg1video"),
    "mpg, vob": Container(".mpg", "vob", "mpeg2video"),
    "wmv": Container(".wmv", "asf", "wmv2"),
    "wmv, live": Container(".wmv", "asf", "wmv2", is_live=True),
    "ogv": Container(".ogv", "ogg", "libvpx"),
    "y4m": Container(".y4m", "yuv4mpegpipe", "wrapped_avframe"),
    "gif": Container(".gif", "gif", "gif"),
}
# These state no length, so a file that was cut off looks complete.
BELIEVED = frozenset({"gif", "avi, live", "wmv, live"})
PIXEL_FORMATS = {"mjpeg": "yuvj420p", "gif": "rgb8"}


class _Stream(io.RawIOBase):
    """A stream that cannot seek, like a pipe."""

    def __init__(self) -> None:
        super().__init__()
        self.content = bytearray()

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return False

    def write(self, data: object) -> int:
        self.content += bytes(data)  # type: ignore[call-overload]
        return len(bytes(data))  # type: ignore[call-overload]


def video_bytes(kind: Container, frames_THWC: np.ndarray, *, fps: int = 25) -> bytes:
    """RGB uint8 frames in a container."""
    with tempfile.TemporaryDirectory() as folder:
        path, stream = Path(folder, "video"), _Stream()
        _write(stream if kind.is_live else str(path), kind, frames_THWC, fps)
        return bytes(stream.content) if kind.is_live else path.read_bytes()


def _write(target: _Stream | str, kind: Container, frames_THWC: np.ndarray, fps: int) -> None:
    with av.open(target, "w", format=kind.muxer, options=dict(kind.options)) as output:
        video = output.add_stream(kind.codec, rate=fps)
        height, width = frames_THWC.shape[1:3]
        video.width, video.height = width, height
        video.pix_fmt = PIXEL_FORMATS.get(kind.codec, "yuv420p")
        for frame_HWC in frames_THWC:
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame_HWC), format="rgb24")
            output.mux(video.encode(frame))
        output.mux(video.encode())


def write_turned(path: Path, frames_THWC: np.ndarray, degrees: int) -> Path:
    """An MP4 whose players turn it by `degrees`, a multiple of 90, counter-clockwise."""
    with av.open(str(path), "w") as output:
        video = output.add_stream("libx264", rate=25)
        video.height, video.width = frames_THWC.shape[1:3]
        video.pix_fmt = "yuv420p"
        video.set_display_rotation(degrees)
        for frame_HWC in frames_THWC:
            output.mux(video.encode(av.VideoFrame.from_ndarray(frame_HWC, format="rgb24")))
        output.mux(video.encode())
    return path


def write_at(path: Path, ticks: Sequence[int], *, levels: Sequence[int] = (), codec: str = "libx264") -> Path:
    """A grey video whose frame `i` is shown at `ticks[i]` milliseconds, of brightness `levels[i]` (0, 4, 8 ...)."""
    with av.open(str(path), "w") as output:
        stream = output.add_stream(codec, rate=30)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        for number, tick in enumerate(ticks):
            level = levels[number] if levels else 4 * number % 256
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), level, np.uint8), format="rgb24")
            frame.pts, frame.time_base = tick, Fraction(1, 1000)
            output.mux(stream.encode(frame))
        output.mux(stream.encode())
    return path
