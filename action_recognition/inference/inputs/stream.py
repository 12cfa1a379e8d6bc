"""Videos and streams behind a URL, by PyAV.

OpenCV's FFmpeg takes its options from one environment variable, which keeps files away from the network (see
`video.decoder`). PyAV takes them for each opening. What is decoded from the same file is the same.
"""

import errno
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from functools import partial
from urllib.parse import quote

import av
import numpy as np
from av.error import ExitError, HTTPError, InvalidDataError

from action_recognition.errors import VideoError
from action_recognition.inference.inputs.base import DEFAULT_INPUTS, FrameInput, InputSettings
from action_recognition.inference.inputs.live import LiveInput
from action_recognition.utils.pyav import ANY_NAMES
from action_recognition.utils.redaction import redacted
from action_recognition.video.decoder import DEMUXERS
from action_recognition.video.frame_times import FrameTimes
from action_recognition.video.frames import ClipMetadata, Frame, FrameFormat
from action_recognition.video.timed_frames import TimedFrame

CONNECT_SECONDS = 10.0
STALL_SECONDS = 10.0
# For each scheme the protocols that FFmpeg may use below it. No `file`, which a playlist or a redirect could name.
_WEB, _RTSP, _RTMP = "http,https,httpproxy,tcp,tls,crypto", "rtsp,rtsps,rtp,srtp,udp,tcp,tls", "rtmp,rtmps,tcp,tls"
PROTOCOLS = {
    "http": _WEB,
    "https": _WEB,
    "rtsp": _RTSP,
    "rtsps": _RTSP,
    "rtmp": _RTMP,
    "rtmps": _RTMP,
    "udp": "udp",
}
# Besides those of files: playlists with their sound and subtitles, and what only streams come in.
STREAM_DEMUXERS = f"{DEMUXERS},hls,mpjpeg,rtsp,aac,ac3,eac3,mp3,webvtt"
# Their demuxers state times at a made-up rate.
WITHOUT_TIMES = ("mpjpeg", "mjpeg")
OPTIONS = {
    # PyAV asks for generated times, which are wrong where frames are not in the order of their packets (AVI).
    "fflags": "-genpts",
    # As few frames to find the rate of a stream as possible: they are waited for.
    "fpsprobesize": "3",
    "rtsp_flags": "prefer_tcp",
    # The transfer of a file that breaks off goes on where it was. FFmpeg 8 needs the second line to seek at all where
    # a server keeps connections open.
    "reconnect": "1",
    "multiple_requests": "1",
    "reconnect_on_network_error": "1",
    "reconnect_delay_max": "2",
}


@contextmanager
def open_stream(
    address: str,
    frame_format: FrameFormat,
    settings: InputSettings = DEFAULT_INPUTS,
    *,
    stall_seconds: float = STALL_SECONDS,
) -> Iterator[FrameInput]:
    """Open a URL for the length of a `with` block.

    It is live, and read as `LiveInput` does, if it has neither a length nor a duration: RTSP, RTMP, UDP, MJPEG and
    MPEG-TS over HTTP, HLS without an end. Anything else is a video that ends.

    Args:
        stall_seconds: without data for so long, a connection is lost.

    Raises:
        VideoError: if it cannot be reached, or is no video.
    """
    connect = partial(Connection, address, frame_format, stall_seconds=stall_seconds)
    first = connect()
    if first.is_live:
        with LiveInput(first, connect, settings) as live:
            yield live
        return
    with closing(first):
        yield first


class Connection:
    """An open URL: its frames in order, once.

    Raises:
        VideoError: as `open_stream`, or if its frames are larger than `data.max_pixels`.
    """

    def __init__(self, address: str, frame_format: FrameFormat, *, stall_seconds: float = STALL_SECONDS) -> None:
        self.origin = redacted(address)
        self.format = frame_format
        self._address, self._stall_seconds = address, stall_seconds
        self._scheme = address.partition("://")[0].lower()
        frame_format.check_colours(self.origin)
        self._open()

    def close(self) -> None:
        self._container.close()

    @property
    def metadata(self) -> ClipMetadata:
        """The header's; the number of frames is an estimate, and 0 of a stream."""
        fps = float(self._stream.average_rate or self._stream.guessed_rate or 0)
        frames = self._stream.frames or round((self._container.duration or 0) / av.time_base * fps)
        codec = self._stream.codec_context
        return ClipMetadata(frames=0 if self.is_live else frames, fps=fps, width=codec.width, height=codec.height)

    def timed(self) -> Iterator[TimedFrame]:
        """All frames in order with their times; only those that are read are converted.

        Raises:
            VideoError: if the transfer breaks off, if no frame can be decoded, or if one is too large.
        """
        times = FrameTimes(self.metadata.fps)
        for frame in self._frames():
            yield TimedFrame(times.add(self._stated(frame)), partial(self._converted, frame))
        if not times.count:
            raise VideoError(f"{self.origin}: no frame could be decoded")

    def _open(self, *, is_kept: bool = False) -> None:
        """Open the URL; `is_kept` keeps what has come in a temporary file, in which FFmpeg can go back."""
        scheme = self._scheme
        if scheme not in PROTOCOLS:
            raise VideoError(f"{self.origin}: expected a URL of {', '.join(PROTOCOLS)}")
        # FFmpeg asks for the address as it is; spaces and letters such as ü have to be escaped in it.
        address, protocols = quote(self._address, safe="%/:=&?~#+!$,;'@()*[]"), PROTOCOLS[scheme]
        options = OPTIONS | {"format_whitelist": STREAM_DEMUXERS}
        if is_kept:
            address, protocols = f"cache:{address}", f"cache,{protocols}"
            options["read_ahead_limit"] = "-1"
        options["protocol_whitelist"] = protocols
        timeouts = (CONNECT_SECONDS, self._stall_seconds)
        with self._explained(is_open=False):
            self._container = av.open(address, options=options, timeout=timeouts, **ANY_NAMES)
        try:
            self._prepare()
        except BaseException:
            self.close()
            raise

    def _prepare(self) -> None:
        stream = self._container.streams.best("video")
        if not isinstance(stream, av.VideoStream):
            raise VideoError(f"{self.origin}: no pictures in it")
        self._stream = stream
        has_end = (self._container.size or 0) > 0 and "hls" not in self._container.format.name
        may_end = self._scheme in ("http", "https")
        self.is_live = not (may_end and (has_end or self._container.duration is not None))
        self._has_times = not (self.is_live and self._container.format.name in WITHOUT_TIMES)
        # Decoding frames side by side would hold some of them back.
        stream.thread_type = "SLICE" if self.is_live else "AUTO"
        self._check_size(stream.codec_context.width, stream.codec_context.height)

    def _frames(self) -> Iterator[av.VideoFrame]:
        count = 0
        try:
            for frame in self._decoded():
                count += 1
                yield frame
        except VideoError as error:
            if count or self.is_live:
                raise
            # Perhaps the index is behind the pictures, and the server serves files only from their start. FFmpeg can go
            # back in what it has kept, but not look ahead for the index of a large file.
            self.close()
            try:
                self._open(is_kept=True)
            except VideoError:
                hint = "if its server sends files only from their start, download it, then label the file"
                raise VideoError(f"{error}; {hint}") from None
            yield from self._decoded()

    def _decoded(self) -> Iterator[av.VideoFrame]:
        with self._explained(is_open=True):
            for packet in self._container.demux(self._stream):
                with suppress(InvalidDataError):  # damaged, or before the first whole picture of a stream
                    yield from packet.decode()

    def _stated(self, frame: av.VideoFrame) -> float:
        """The second at which a frame is shown, by the clock of its container; as OpenCV has it."""
        if not self._has_times:
            return time.monotonic()
        stamp = frame.dts if frame.pts is None else frame.pts
        return float("nan") if stamp is None or frame.time_base is None else float(stamp * frame.time_base)

    def _converted(self, frame: av.VideoFrame) -> Frame:
        self._check_size(frame.width, frame.height)  # a frame can be larger than its container says
        frame_HWC = frame.to_ndarray(format="rgb24")
        if frame.rotation % 360:
            frame_HWC = np.rot90(frame_HWC, round(frame.rotation / 90))
        return np.asarray(self.format.resized(np.ascontiguousarray(frame_HWC)), dtype=np.uint8)

    def _check_size(self, width: int, height: int) -> None:
        self.format.check_pixels(self.origin, width, height)

    @contextmanager
    def _explained(self, *, is_open: bool) -> Iterator[None]:
        """Turns errors of FFmpeg into a `VideoError`. Their own text names the address with its password."""
        try:
            yield
        except MemoryError:
            raise VideoError(f"{self.origin}: not enough memory to decode it") from None
        except ExitError:
            seconds = self._stall_seconds if is_open else CONNECT_SECONDS
            raise VideoError(f"{self.origin}: nothing came for {seconds:g} seconds") from None
        except InvalidDataError:
            what = "cannot be decoded further" if is_open else "not a video that FFmpeg can read; is it a web page?"
            raise VideoError(f"{self.origin}: {what}") from None
        except HTTPError as error:
            raise VideoError(f"{self.origin}: {error.strerror}") from None
        except av.FFmpegError as error:
            reason = "no such host, or it hung up" if error.errno == errno.EIO else error.strerror
            what = "the transfer broke off" if is_open else f"cannot be opened ({reason})"
            raise VideoError(f"{self.origin}: {what}") from None
