"""Decoding videos with OpenCV: sequential, because seeking is inexact and headers lie about the number of frames."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from action_recognition.errors import VideoError, first_line
from action_recognition.video.declared_size import declared_sizes
from action_recognition.video.frame_times import FrameTimes
from action_recognition.video.frames import AS_THEY_ARE, ClipMetadata, Frame, FrameFormat, with_times
from action_recognition.video.pixel_limit import check_pixels
from action_recognition.video.regular_files import open_regular
from action_recognition.video.timed_frames import TimedFrame
from action_recognition.video.truncation import NoVideoError, promised_bytes

# fmt: off
VIDEO_SUFFIXES = frozenset({
    ".avi", ".mp4", ".m4v", ".mov", ".mkv", ".webm", ".mpg", ".mpeg",
    ".wmv", ".flv", ".3gp", ".ts", ".mts", ".m2ts", ".ogv", ".y4m",
})
# fmt: on

# FFmpeg may take a file for a container that holds its own frames, a bare stream of a usual codec, or an image. Its
# playlists (ffconcat, HLS, DASH, SDP, image patterns ...) would open other files, themselves, or the network. OpenCV
# reads the variable each time it opens a file.
DEMUXERS = (
    "avi,mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,flv,live_flv,kux,mpegts,mpeg,mpegvideo,asf,asf_o,ogg,yuv4mpegpipe,"
    "gif,apng,ivf,obu,av1,h261,h263,h264,hevc,vvc,m4v,vc1,vc1test,dirac,cavsvideo,mjpeg,mjpeg_2000,dv,mxf,nut,nuv,rm,"
    "nsv,wtv,gxf,lxf,swf,bink,smk,roq,amv,thp,4xm,film_cpk,"
    "bmp_pipe,jpeg_pipe,png_pipe,ppm_pipe,pgm_pipe,tiff_pipe,webp_pipe"
)
OPTIONS_VARIABLE = "OPENCV_FFMPEG_CAPTURE_OPTIONS"
OPTIONS = f"format_whitelist;{DEMUXERS}|protocol_whitelist;file"


# Pixels of a frame up to which one thread decodes as fast as FFmpeg's several, for two thirds of the processor's time.
SMALL_FRAME = 640 * 480


def _restrict_ffmpeg() -> None:
    """Later options win, so a user's own stay in front."""
    given = os.environ.get(OPTIONS_VARIABLE, "")
    if not given.endswith(OPTIONS):
        os.environ[OPTIONS_VARIABLE] = f"{given}|{OPTIONS}" if given else OPTIONS


_restrict_ffmpeg()


def check_file(path: Path) -> int:
    """Refuse a file that cannot be a whole video, before a decoder guesses what it is.

    Returns:
        The pixels of a frame by the header; 0 if it does not say.

    Raises:
        VideoError: if the file is missing, not a regular file, not readable, empty, shorter than its own container says
            (see `truncation`), or larger than `data.max_pixels` by its header.
    """
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size == 0:
            raise VideoError(f"{path}: empty file")
        try:
            expected = promised_bytes(file)
        except NoVideoError as error:
            raise VideoError(f"{path}: not a video ({error})") from None
        sizes = list(declared_sizes(file))
        for width, height in sizes:
            check_pixels(path, width, height)
    if expected is not None and expected > size:
        raise VideoError(f"{path}: truncated, {size} bytes of the {expected} that its container promises")
    return max((width * height for width, height in sizes), default=0)


class VideoFile:
    """A video that is opened once: its metadata, and its frames in order or by number.

    Frames are decoded from the first one on. Reading them again opens the file again, because seeking is inexact.

    Raises:
        VideoError: as `check_file`, or if the file is not a video.
    """

    is_live = False

    def __init__(self, path: Path, frame_format: FrameFormat = AS_THEY_ARE) -> None:
        self.path = path
        self.format = frame_format
        frame_format.check_colours(path)
        self._threads = 1 if 0 < check_file(path) <= SMALL_FRAME else 0
        self._capture = cv2.VideoCapture()
        self._is_at_start = False
        with self._explained():
            try:
                self._open()
            except BaseException:
                self.close()
                raise

    def close(self) -> None:
        self._capture.release()

    @property
    def origin(self) -> str:
        """The name in messages."""
        return str(self.path)

    @property
    def metadata(self) -> ClipMetadata:
        """The header's; decoding often finds fewer frames, see `probe`."""
        with self._explained():
            return self._metadata(int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT)))

    def probe(self) -> ClipMetadata:
        """Count and time the frames by decoding all of them, twice as fast as `__iter__`: no colours are converted.

        Raises:
            VideoError: if there is none.
        """
        seconds = []
        with self._from_start() as capture:  # without `timed`, which takes longer
            times = FrameTimes(self._metadata(0).fps)
            while capture.grab():
                seconds.append(times.add(capture.get(cv2.CAP_PROP_POS_MSEC) / 1000))
            self._check_any(times.count)
            metadata = self._metadata(times.count)
        return with_times(metadata, np.array(seconds))

    def timed(self) -> Iterator[TimedFrame]:
        """All frames in order with their times; only those that are read are converted, to what `__iter__` gives.

        Raises:
            VideoError: if no frame can be decoded; when one is read, if it is too large.
        """
        with self._from_start() as capture:
            times = FrameTimes(self._metadata(0).fps)
            while capture.grab():
                yield TimedFrame(times.add(capture.get(cv2.CAP_PROP_POS_MSEC) / 1000), self._retrieve)
            self._check_any(times.count)

    def __iter__(self) -> Iterator[Frame]:
        """All frames in order, RGB uint8 `[H, W, 3]`, resized as the format says. Holds one frame at a time.

        Raises:
            VideoError: if no frame can be decoded, or one is too large.
        """
        with self._from_start() as capture:
            count = 0
            while (read := capture.read())[0]:
                count += 1
                yield self._converted(read[1])
            self._check_any(count)

    def frames_at(self, indices: NDArray[np.int64]) -> Frame:
        """The frames numbered `indices` (`[N]`, in any order, repeats allowed), RGB uint8 `[N, H, W, 3]`.

        Frames between them are decoded but neither converted nor copied; decoding stops after the last one.

        Raises:
            VideoError: if the video ends before the largest index, or a frame is too large.
        """
        wanted = set(map(int, indices))
        last = max(wanted)
        found: dict[int, Frame] = {}
        with self._from_start() as capture:
            for number in range(last + 1):
                if not capture.grab():
                    raise VideoError(f"{self.path}: ends after {number} frames, frame {last} was asked for")
                if number in wanted:
                    ok, frame_BGR = capture.retrieve()
                    if not ok:
                        raise VideoError(f"{self.path}: frame {number} could not be decoded")
                    found[number] = self._converted(frame_BGR)
        return np.stack([found[int(index)] for index in indices])

    def _open(self) -> None:
        # With the protocol, or FFmpeg takes `12:30.mp4` for protocol `12`. As bytes, because OpenCV ends the process
        # over a string that is not UTF-8.
        name = os.fsencode(f"file:{self.path.absolute()}")
        if not self._capture.open(name, cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, self._threads]):  # type: ignore[call-overload]
            raise VideoError(f"{self.path}: not a video that FFmpeg can decode")
        self._is_at_start = True
        about = self._metadata(0)
        self.format.check_pixels(self.path, about.width, about.height)

    @contextmanager
    def _from_start(self) -> Iterator[cv2.VideoCapture]:
        with self._explained():
            if not self._is_at_start:
                self._open()
            self._is_at_start = False
            yield self._capture

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turns a lack of memory and errors of OpenCV into a `VideoError`."""
        try:
            yield
        except MemoryError:
            raise VideoError(f"{self.path}: not enough memory to decode it") from None
        except cv2.error as error:
            reason = getattr(error, "err", None) or first_line(error)
            raise VideoError(f"{self.path}: cannot be decoded ({reason})") from None

    def _retrieve(self) -> Frame:
        """The frame that was grabbed last."""
        with self._explained():
            ok, frame_BGR = self._capture.retrieve()
            if not ok:
                raise VideoError(f"{self.path}: a frame could not be decoded")
            return self._converted(frame_BGR)

    def _metadata(self, frames: int) -> ClipMetadata:
        get = self._capture.get
        return ClipMetadata(
            frames=frames,
            fps=float(get(cv2.CAP_PROP_FPS)),
            width=int(get(cv2.CAP_PROP_FRAME_WIDTH)),
            height=int(get(cv2.CAP_PROP_FRAME_HEIGHT)),
        )

    def _check_any(self, frames: int) -> None:
        if frames == 0:
            raise VideoError(f"{self.path}: no frame could be decoded")

    def _converted(self, frame_BGR: NDArray) -> Frame:
        height, width = frame_BGR.shape[:2]
        check_pixels(self.path, width, height)  # a frame can be larger than its container says
        # Resized first: fewer pixels to convert.
        return np.asarray(cv2.cvtColor(self.format.resized(frame_BGR), cv2.COLOR_BGR2RGB), dtype=np.uint8)
