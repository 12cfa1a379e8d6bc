"""The frames of a clip, whatever it is kept as: a video, one image (a still), or a run of image files (a sequence).

A sequence is named by its folder, `wave/S1-03`, or by the name that its files share with a star for the frame's
number, `S4-G1-T*-depth.bin.png`. A part of one ends in `[first:end]`, places in the order of frames. Frames are in the
order of the numbers in their names: T2 comes before T10.
"""

import hashlib
import re
import stat
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from action_recognition.errors import VideoError
from action_recognition.video.decoder import (
    VIDEO_SUFFIXES,
    Frame,
    VideoInfo,
    frame_rate,
    header_frame_count,
    iter_frames,
    probe,
    read_frames,
    resize_short_side,
    resized_size,
)
from action_recognition.video.image_header import image_size
from action_recognition.video.pixel_limit import check_pixels
from action_recognition.video.regular_files import open_regular

IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".pgm"})
STAR = "*"
_PART = re.compile(r"(?P<name>.+)\[(?P<first>\d+):(?P<end>\d+)\]")
_DEPTHS: dict[np.dtype[Any], int] = {np.dtype(np.uint8): 8, np.dtype(np.uint16): 16}


def natural_key(name: str) -> tuple[tuple[int | str, ...], str]:
    """Sorts by the numbers in a name as numbers; two names of the same numbers sort as text."""
    pieces = re.split(r"(\d+)", name)
    return tuple(int(piece) if place % 2 else piece for place, piece in enumerate(pieces)), name


def is_image(path: Path) -> bool:
    """By its suffix."""
    return path.suffix.lower() in IMAGE_SUFFIXES


def frame_files(path: Path) -> tuple[Path, ...] | None:
    """The image files of a still or a sequence, in the order of frames (none if there are none); None for a video."""
    if path.suffix.lower() in VIDEO_SUFFIXES:
        return None
    mode = _mode(path)
    if mode and not stat.S_ISDIR(mode):
        return (path,) if is_image(path) else None
    part = _PART.fullmatch(path.name)
    whole = path.with_name(part["name"]) if part else path
    folder, names = _names(whole)
    return tuple(folder / name for name in (names[int(part["first"]) : int(part["end"])] if part else names))


def clip_files(path: Path) -> tuple[Path, ...]:
    """All files that a clip is kept in; none if it is not there."""
    files = frame_files(path)
    if files is None:
        return (path,) if _mode(path) else ()
    return files


def _mode(path: Path) -> int:
    """What kind of thing lies there; 0 for nothing, or nothing that can be looked at."""
    try:
        return path.stat().st_mode
    except (OSError, ValueError):  # ValueError: a NUL in the name
        return 0


def _names(whole: Path) -> tuple[Path, tuple[str, ...]]:
    folder = whole if stat.S_ISDIR(_mode(whole)) else whole.parent
    try:
        written = folder.stat().st_mtime_ns
    except (OSError, ValueError):
        return folder, ()
    try:
        if folder == whole:
            return folder, image_names(str(folder), written)
        return folder, _starred_names(str(folder), written, whole.name)
    except OSError as error:
        raise VideoError(f"{folder}: cannot be read ({error.strerror})") from None


@lru_cache(maxsize=4096)
def image_names(folder: str, _written: int) -> tuple[str, ...]:
    """The images of a folder in natural order, remembered until it is written to (nanoseconds `_written`)."""
    names = (path.name for path in Path(folder).iterdir() if is_image(path) and not path.name.startswith("."))
    return tuple(sorted(names, key=natural_key))


@lru_cache(maxsize=65_536)
def _starred_names(folder: str, written: int, name: str) -> tuple[str, ...]:
    before, star, after = name.partition(STAR)
    if not star:
        return ()
    pattern = re.compile(rf"{re.escape(before)}\d+{re.escape(after)}")
    return tuple(found for found in image_names(folder, written) if pattern.fullmatch(found))


def read_image(path: Path, *, short_side: int | None = None, channels: int = 3, bits: int | None = 8) -> Frame:
    """One image `[H, W, C]`, resized to `short_side` if given.

    Args:
        channels: 3 gives RGB uint8 of any image, turned as its EXIF data says; 1 the values of a depth image as they
            are, uint8 or uint16. A colour image passes as depth if its colours are all alike, whatever its alpha.
        bits: of depth, 8 or 16; None takes what is there.

    Raises:
        VideoError: missing, not readable, empty, truncated (PNG and JPEG), no image, larger than `data.max_pixels`,
            not one channel, or of other `bits`.
    """
    mode = cv2.IMREAD_COLOR if channels == 3 else cv2.IMREAD_UNCHANGED
    content = _content(path)
    _check_size(path, content, short_side)
    try:
        image: Any = cv2.imdecode(np.frombuffer(content, dtype=np.uint8), mode)
    except MemoryError:
        raise VideoError(f"{path}: not enough memory to decode it") from None
    except cv2.error:
        image = None
    if image is None:
        raise VideoError(f"{path}: not an image that OpenCV can decode")
    if channels == 1:
        return _as_depth(path, image, short_side, bits)
    if short_side is not None:
        image = resize_short_side(image, short_side)
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), dtype=np.uint8)


def _check_size(path: Path, content: bytes, short_side: int | None) -> None:
    size = image_size(content)
    if size is None or 0 in size:
        raise VideoError(f"{path}: not an image that OpenCV can decode")
    check_pixels(path, *size)
    if short_side is not None:
        check_pixels(path, *resized_size(*size, short_side), resized=True)


def _as_depth(path: Path, image: Any, short_side: int | None, bits: int | None) -> Frame:
    found = _DEPTHS.get(image.dtype)
    if found is None or bits not in (None, found):
        is_what = f"{found} bits a value" if found else f"{image.dtype} values"
        wanted = f"expected {bits} (clip.bits)" if bits else "expected 8 or 16 bits"
        raise VideoError(f"{path}: {is_what}, {wanted}")
    if image.ndim == 3:
        if (image[..., :1] != image[..., 1:3]).any():
            raise VideoError(f"{path}: a colour image, expected one channel of depth")
        image = image[..., 0].copy()
    if short_side is not None:
        image = resize_short_side(image, short_side)
    depth_HWC: Frame = image[..., None]
    return depth_HWC


def _content(path: Path) -> bytes:
    """Bytes of the file; decoders fill up what is missing of a picture, so its end is looked at first."""
    with open_regular(path) as file:
        content = file.read()
    if not content:
        raise VideoError(f"{path}: empty file")
    is_cut = content.startswith(b"\x89PNG") and b"IEND" not in content[-4096:]
    if is_cut or (content.startswith(b"\xff\xd8") and b"\xff\xd9" not in content[-4096:]):
        raise VideoError(f"{path}: truncated, the image does not come to its end")
    return content


def read_clip_frames(
    path: Path, indices: NDArray[np.int64], *, short_side: int | None = None, channels: int = 3, bits: int | None = 8
) -> Frame:
    """The frames numbered `indices` of any kind of clip, `[len(indices), H, W, C]`; `video.read_frames` for videos.

    Args:
        indices: `[N]` in any order, repeats allowed.
        channels, bits: as in `read_image`.

    Raises:
        VideoError: as `read_image`, if there is no such frame, or if frames differ in size; a video as depth.
    """
    files = _still_or_sequence(path, channels)
    if files is None:
        return read_frames(path, indices, short_side=short_side)
    last = int(indices.max())
    if last >= len(files):
        raise VideoError(f"{path}: ends after {len(files)} frames, frame {last} was asked for")
    found = {
        index: read_image(files[index], short_side=short_side, channels=channels, bits=bits)
        for index in sorted(set(map(int, indices)))
    }
    frames = [found[int(index)] for index in indices]
    for index, frame_HWC in found.items():
        _check_alike(path, files[index], frame_HWC, frames[0])
    return np.stack(frames)


def iter_clip_frames(
    path: Path, *, short_side: int | None = None, channels: int = 3, bits: int | None = 8
) -> Iterator[Frame]:
    """All frames of any kind of clip in order, `[H, W, C]`, one at a time; see `read_clip_frames`."""
    files = _still_or_sequence(path, channels)
    if files is None:
        yield from iter_frames(path, short_side=short_side)
        return
    first = None
    for file in files:
        frame_HWC = read_image(file, short_side=short_side, channels=channels, bits=bits)
        first = frame_HWC if first is None else first
        _check_alike(path, file, frame_HWC, first)
        yield frame_HWC


def _still_or_sequence(path: Path, channels: int) -> tuple[Path, ...] | None:
    files = frame_files(path)
    if files is None and channels != 3:
        raise VideoError(f"{path}: expected a folder of depth images, {channels} channel each; this is no image")
    if files is not None and not files:
        raise VideoError(f"{path}: {'no images in this folder' if stat.S_ISDIR(_mode(path)) else 'no such file'}")
    return files


def _check_alike(path: Path, file: Path, frame_HWC: Frame, first_HWC: Frame) -> None:
    if (frame_HWC.shape, frame_HWC.dtype) != (first_HWC.shape, first_HWC.dtype):
        raise VideoError(f"{path}: {file.name} has another size or depth than the frames before it")


def probe_clip(path: Path, *, channels: int = 3) -> VideoInfo:
    """Count and measure the frames of any kind of clip by decoding all of them; images have no rate, 0.0.

    Raises:
        VideoError: as `video.probe` and `read_image`.
    """
    if frame_files(path) is None and channels == 3:
        return probe(path)
    count, shape = 0, (0, 0, 0)
    for frame_HWC in iter_clip_frames(path, channels=channels, bits=None):
        count, shape = count + 1, frame_HWC.shape
    return VideoInfo(frames=count, header_frames=count, fps=0.0, width=shape[1], height=shape[0])


def clip_rate(path: Path) -> float:
    """Frames a second by the header; 0.0 where it does not say, as images never do."""
    return frame_rate(path) if frame_files(path) is None else 0.0


def claimed_frames(path: Path) -> int:
    """Frames by the header of a video, 0 or less where it does not say; files of a sequence."""
    files = frame_files(path)
    return header_frame_count(path) if files is None else len(files)


def clip_md5(path: Path) -> str:
    """Of the bytes of a file; of names and bytes of the files of a sequence, in the order of frames.

    Raises:
        VideoError: if a file of it cannot be read.
    """
    files = frame_files(path)
    if files is None or files == (path,):
        with open_regular(path) as file:
            return hashlib.file_digest(file, "md5").hexdigest()
    digest = hashlib.md5()
    for frame in files:
        with open_regular(frame) as file:
            content = file.read()
        digest.update(f"{frame.name} {len(content)} ".encode(errors="surrogateescape"))
        digest.update(content)
    return digest.hexdigest()
