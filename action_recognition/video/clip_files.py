"""Which files a clip is kept in: a video, one image (a still), or a run of image files (a sequence).

A sequence is named by its folder, `wave/S1-03`, or by the name that its files share with a star for the frame's
number, `S4-G1-T*-depth.bin.png`. A part of one ends in `[first:end]`, places in the order of frames. Frames are in the
order of the numbers in their names: T2 comes before T10.
"""

import hashlib
import re
import stat
from functools import lru_cache
from pathlib import Path

from action_recognition.errors import VideoError
from action_recognition.video.decoder import VIDEO_SUFFIXES, VideoFile
from action_recognition.video.frames import AS_THEY_ARE, FrameFormat
from action_recognition.video.image_sequence import ImageSequence
from action_recognition.video.regular_files import open_regular

IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".pgm"})
STAR = "*"
_PART = re.compile(r"(?P<name>.+)\[(?P<first>\d+):(?P<end>\d+)\]")
Clip = VideoFile | ImageSequence


def open_clip(path: Path, frame_format: FrameFormat = AS_THEY_ARE) -> Clip:
    """Open any kind of clip, to be used in a `with` block.

    Args:
        frame_format: how frames are wanted; as they are, in RGB, where it is not given.

    Raises:
        VideoError: as `VideoFile`, for a video; if there is no file or no image, or for a video as depth. What is wrong
            with an image is said when it is read.
    """
    files = frame_files(path)
    if files is None:
        return VideoFile(path, frame_format)
    if not files:
        raise VideoError(f"{path}: {'no images in this folder' if stat.S_ISDIR(_mode(path)) else 'no such file'}")
    return ImageSequence(path, files, frame_format)


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
