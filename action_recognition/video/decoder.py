"""Decoding videos with OpenCV: sequential, because seeking is inexact and headers lie about the number of frames."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from action_recognition.errors import VideoError, first_line
from action_recognition.video.declared_size import declared_sizes
from action_recognition.video.pixel_limit import check_pixels
from action_recognition.video.regular_files import open_regular
from action_recognition.video.truncation import NoVideoError, promised_bytes

# Clips are decoded side by side by threads and workers; OpenCV's own pool on top would only fight for the same cores.
# It also hangs a worker forked after its first use, so it is switched off here, before there is one.
cv2.setNumThreads(0)

# fmt: off
VIDEO_SUFFIXES = frozenset({
    ".avi", ".mp4", ".m4v", ".mov", ".mkv", ".webm", ".mpg", ".mpeg",
    ".wmv", ".flv", ".3gp", ".ts", ".mts", ".m2ts", ".ogv", ".y4m",
})
# fmt: on
Frame = NDArray[np.uint8]

# What FFmpeg may make of a file: containers that hold their frames themselves, bare streams of the usual codecs, and
# single images. Its playlists (ffconcat, HLS, DASH, SDP, image patterns ...) open other files, themselves, or the
# network. OpenCV reads the variable each time it opens a file.
DEMUXERS = (
    "avi,mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,flv,live_flv,kux,mpegts,mpeg,mpegvideo,asf,asf_o,ogg,yuv4mpegpipe,"
    "gif,apng,ivf,obu,av1,h261,h263,h264,hevc,vvc,m4v,vc1,vc1test,dirac,cavsvideo,mjpeg,mjpeg_2000,dv,mxf,nut,nuv,rm,"
    "nsv,wtv,gxf,lxf,swf,bink,smk,roq,amv,thp,4xm,film_cpk,"
    "bmp_pipe,jpeg_pipe,png_pipe,ppm_pipe,pgm_pipe,tiff_pipe,webp_pipe"
)
OPTIONS_VARIABLE = "OPENCV_FFMPEG_CAPTURE_OPTIONS"
OPTIONS = f"format_whitelist;{DEMUXERS}|protocol_whitelist;file"

# A panorama, or a file made to fill the memory: a line of 120,000 x 1 pixels would be 128 x 15,360,000 after scaling.
# Only squares at the start, the middle and the end of the longer side are ever looked at (three-crop testing), so of
# frames longer than `MAX_ASPECT` only these thirds are kept.
MAX_ASPECT = 12


def _restrict_ffmpeg() -> None:
    """Options given later win; a user's own are left in front."""
    given = os.environ.get(OPTIONS_VARIABLE, "")
    if not given.endswith(OPTIONS):
        os.environ[OPTIONS_VARIABLE] = f"{given}|{OPTIONS}" if given else OPTIONS


_restrict_ffmpeg()


@dataclass(frozen=True, kw_only=True)
class VideoInfo:
    """What decoding a whole video found; `header_frames` is what its header claims."""

    frames: int
    header_frames: int
    fps: float
    width: int
    height: int

    @property
    def duration_seconds(self) -> float:
        return self.frames / self.fps if self.fps > 0 else 0.0


def resized_size(width: int, height: int, short_side: int) -> tuple[int, int]:
    """Width and height of a frame after `resize_short_side`."""
    longest = MAX_ASPECT * min(height, width)
    width, height = min(width, longest), min(height, longest)
    scale = short_side / min(height, width)
    return max(short_side, round(width * scale)), max(short_side, round(height * scale))


def resize_short_side(frame_HWC: Frame, short_side: int) -> Frame:
    """Scale so that the shorter side is `short_side` pixels, keeping the aspect ratio to the nearest pixel.

    Of a frame whose longer side is more than `MAX_ASPECT` times the shorter, only the start, the middle and the end
    are kept: whatever is cropped from it at positions 0, 0.5 and 1 is the same, and memory is bounded.
    """
    frame_HWC = _thirds(frame_HWC)
    height, width = frame_HWC.shape[:2]
    scale = short_side / min(height, width)
    if scale == 1:
        return frame_HWC
    size = resized_size(width, height, short_side)
    interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(frame_HWC, size, interpolation=interpolation), dtype=frame_HWC.dtype)


def _thirds(frame_HWC: Frame) -> Frame:
    height, width = frame_HWC.shape[:2]
    short, long = sorted((height, width))
    if long <= MAX_ASPECT * short:
        return frame_HWC
    piece, axis = MAX_ASPECT // 3 * short, int(width > height)
    starts = (0, (long - piece) // 2, long - piece)
    pieces = [np.arange(start, start + piece) for start in starts]
    return np.take(frame_HWC, np.concatenate(pieces), axis=axis)


def square_start(height: int, width: int, size: int, position: float = 0.5) -> tuple[int, int]:
    """Top and left of the `size` x `size` square: centred, but at `position` (0 to 1) along the longer side."""
    top, left = (height - size) // 2, (width - size) // 2
    if height > width:
        return int((height - size) * position), left
    return top, int((width - size) * position)


def center_crop(frames_HWC: Frame, size: int, position: float = 0.5) -> Frame:
    """The central `size` x `size` pixels of `[..., H, W, C]`, or those at `position` along the longer side."""
    height, width = frames_HWC.shape[-3:-1]
    top, left = square_start(height, width, size, position)
    return frames_HWC[..., top : top + size, left : left + size, :]


def check_file(path: Path) -> None:
    """Refuse what cannot be a whole video, before a decoder makes a guess at it.

    Raises:
        VideoError: missing, no regular file, not readable, empty, shorter than its own container says (see
            `containers`), or larger than `data.max_pixels` by its header.
    """
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size == 0:
            raise VideoError(f"{path}: empty file")
        try:
            expected = promised_bytes(file)
        except NoVideoError as error:
            raise VideoError(f"{path}: not a video ({error})") from None
        for width, height in declared_sizes(file):
            check_pixels(path, width, height)
    if expected is not None and expected > size:
        raise VideoError(f"{path}: truncated, {size} bytes of the {expected} that its container promises")


def ffmpeg_name(path: Path) -> str | bytes:
    """How to name a file to FFmpeg: absolute and with the protocol, or it takes `12:30.mp4` for protocol `12`.

    OpenCV ends the process over a string that is not UTF-8, so such a name goes to it as the bytes that it is.
    """
    name = f"file:{path.absolute()}"
    try:
        name.encode()
    except UnicodeEncodeError:
        return os.fsencode(name)
    return name


@contextmanager
def _opened(path: Path, short_side: int | None = None) -> Iterator[cv2.VideoCapture]:
    """Raises `VideoError` also for what goes wrong while the capture is used: no memory, or an error of OpenCV."""
    check_file(path)
    capture = cv2.VideoCapture()
    try:
        if not capture.open(ffmpeg_name(path), cv2.CAP_FFMPEG):  # type: ignore[arg-type]  # takes bytes, too
            raise VideoError(f"{path}: not a video that FFmpeg can decode")
        width, height = (int(capture.get(key)) for key in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT))
        check_pixels(path, width, height)
        if short_side is not None and width > 0 and height > 0:
            check_pixels(path, *resized_size(width, height, short_side), resized=True)
        yield capture
    except MemoryError:
        raise VideoError(f"{path}: not enough memory to decode it") from None
    except cv2.error as error:
        raise VideoError(f"{path}: cannot be decoded ({getattr(error, 'err', None) or first_line(error)})") from None
    finally:
        capture.release()


def probe(path: Path) -> VideoInfo:
    """Count the frames of a video by going through all of it (without colour conversion, so about twice as fast).

    Raises:
        VideoError: if the file is missing, empty, truncated, not a video, too large (`data.max_pixels`), or holds no
            frame.
    """
    with _opened(path) as capture:
        frames = 0
        while capture.grab():
            frames += 1
        if frames == 0:
            raise VideoError(f"{path}: no frame could be decoded")
        return VideoInfo(
            frames=frames,
            header_frames=int(capture.get(cv2.CAP_PROP_FRAME_COUNT)),
            fps=float(capture.get(cv2.CAP_PROP_FPS)),
            width=int(capture.get(cv2.CAP_PROP_FRAME_WIDTH)),
            height=int(capture.get(cv2.CAP_PROP_FRAME_HEIGHT)),
        )


def iter_frames(path: Path, *, short_side: int | None = None) -> Iterator[Frame]:
    """All frames in order, RGB uint8 `[H, W, 3]`, resized to `short_side` if given. Holds one frame at a time.

    Raises:
        VideoError: as `probe`.
    """
    with _opened(path, short_side) as capture:
        count = 0
        while True:
            ok, frame_BGR = capture.read()
            if not ok:
                break
            count += 1
            yield _converted(path, frame_BGR, short_side)
        if count == 0:
            raise VideoError(f"{path}: no frame could be decoded")


def read_frames(path: Path, indices: NDArray[np.int64], *, short_side: int | None = None) -> Frame:
    """The frames numbered `indices`, RGB uint8 `[len(indices), H, W, 3]`.

    Frames between them are decoded but neither converted nor copied; nothing after the last one is touched.

    Args:
        indices: `[N]` in any order, repeats allowed.

    Raises:
        VideoError: as `probe`, or if the video ends before the largest index.
    """
    wanted = set(map(int, indices))
    last = max(wanted)
    found: dict[int, Frame] = {}
    with _opened(path, short_side) as capture:
        for number in range(last + 1):
            if not capture.grab():
                raise VideoError(f"{path}: ends after {number} frames, frame {last} was asked for")
            if number in wanted:
                ok, frame_BGR = capture.retrieve()
                if not ok:
                    raise VideoError(f"{path}: frame {number} could not be decoded")
                found[number] = _converted(path, frame_BGR, short_side)
    return np.stack([found[int(index)] for index in indices])


def frame_rate(path: Path) -> float:
    """Frames a second by the header, 0.0 where it does not say."""
    with _opened(path) as capture:
        return float(capture.get(cv2.CAP_PROP_FPS))


def header_frame_count(path: Path) -> int:
    """Frames by the header, 0 or less where it does not say; decoding often finds fewer."""
    with _opened(path) as capture:
        return int(capture.get(cv2.CAP_PROP_FRAME_COUNT))


def _converted(path: Path, frame_BGR: NDArray, short_side: int | None) -> Frame:
    """Resize first: fewer pixels to convert."""
    height, width = frame_BGR.shape[:2]
    check_pixels(path, width, height)  # a frame can be larger than its container says
    if short_side is not None:
        frame_BGR = resize_short_side(frame_BGR, short_side)
    return np.asarray(cv2.cvtColor(frame_BGR, cv2.COLOR_BGR2RGB), dtype=np.uint8)
