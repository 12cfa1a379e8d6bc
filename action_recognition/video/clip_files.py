"""The files of a clip: a video, one image (a still), or a run of image files (a sequence).

A sequence is named by its folder, `wave/S1-03`, or by its files' common name with a star for the frame number,
`S4-G1-T*-depth.bin.png`. `[first:end]` at the end of either selects a part by places in the order of frames. Frames
are ordered by the numbers in their names: T2 comes before T10.
"""

import hashlib
import re
import stat
from collections.abc import Iterator
from contextlib import closing, contextmanager
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


@contextmanager
def open_clip(path: Path, frame_format: FrameFormat = AS_THEY_ARE) -> Iterator[Clip]:
    """Open any kind of clip for the length of a `with` block. Images are read, and checked, only when they are needed.

    Raises:
        VideoError: as `VideoFile`, if there is no file or no image, or for a video as depth.
    """
    files = frame_files(path)
    if files is None:
        with closing(VideoFile(path, frame_format)) as video:
            yield video
    elif files:
        yield ImageSequence(path, files, frame_format)
    else:
        raise VideoError(f"{path}: {'no images in this folder' if stat.S_ISDIR(_mode(path)) else 'no such file'}")


def natural_key(name: str) -> tuple[tuple[int | str, ...], str]:
    """A sort key that compares the digits in names as numbers; names with equal numbers sort as text."""
    pieces = re.split(r"(\d+)", name)
    return tuple(int(piece) if place % 2 else piece for place, piece in enumerate(pieces)), name


def is_image(path: Path) -> bool:
    return path.suffix.lower() in IMAGE_SUFFIXES


def frame_files(path: Path) -> tuple[Path, ...] | None:
    """The image files of a still or a sequence in the order of frames, which may be none; None for a video."""
    if path.suffix.lower() in VIDEO_SUFFIXES:
        return None
    mode = _mode(path)
    if mode and not stat.S_ISDIR(mode):
        return (path,) if is_image(path) else None
    part = _PART.fullmatch(path.name)
    folder, names = _names(path.with_name(part["name"]) if part else path)
    return tuple(folder / name for name in (names[int(part["first"]) : int(part["end"])] if part else names))


def clip_files(path: Path) -> tuple[Path, ...]:
    """All files of a clip; empty if it does not exist."""
    files = frame_files(path)
    if files is None:
        return (path,) if _mode(path) else ()
    return files


def _mode(path: Path) -> int:
    """The file's `st_mode`; 0 if there is no file, or it cannot be examined."""
    try:
        return path.stat().st_mode
    except (OSError, ValueError):  # ValueError: a NUL in the name
        return 0


def _names(whole: Path) -> tuple[Path, tuple[str, ...]]:
    is_folder = stat.S_ISDIR(_mode(whole))
    folder = whole if is_folder else whole.parent
    try:
        written = folder.stat().st_mtime_ns
    except (OSError, ValueError):
        return folder, ()
    try:
        if is_folder:
            return folder, _image_names(str(folder), written)
        return folder, _starred_names(str(folder), written, whole.name)
    except OSError as error:
        raise VideoError(f"{folder}: cannot be read ({error.strerror})") from None


@lru_cache(maxsize=4096)
def _image_names(folder: str, _written: int) -> tuple[str, ...]:
    """The images of a folder in natural order, cached until the folder changes (at `_written`, in nanoseconds)."""
    names = (path.name for path in Path(folder).iterdir() if is_image(path) and not path.name.startswith("."))
    return tuple(sorted(names, key=natural_key))


@lru_cache(maxsize=65_536)
def _starred_names(folder: str, written: int, name: str) -> tuple[str, ...]:
    before, star, after = name.partition(STAR)
    if not star:
        return ()
    pattern = re.compile(rf"{re.escape(before)}\d+{re.escape(after)}")
    return tuple(found for found in _image_names(folder, written) if pattern.fullmatch(found))


def clip_md5(path: Path) -> str:
    """MD5 of a file's bytes; for a sequence, of its files' names and bytes in the order of frames.

    Raises:
        VideoError: if a file cannot be read.
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
