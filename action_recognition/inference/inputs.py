"""Which clips are meant: video files, images, and folders of them."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from action_recognition.errors import UserError
from action_recognition.video.clip_files import frame_files, is_image
from action_recognition.video.decoder import VIDEO_SUFFIXES


def expand_inputs(inputs: Sequence[str]) -> list[Path]:
    """Files as they are given, folders as the videos below them, sorted; each once.

    A file is taken whatever its name; in folders the suffix decides, and hidden files and folders are passed over.
    What has a video's suffix there and cannot be read (a pipe, a link to nowhere), and folders that cannot be listed,
    are among them: reading them says why. A folder of images without videos stands for itself: what it is depends on
    the model, see `as_clips`.

    Raises:
        UserError: for a path that does not exist, or a folder without videos and images.
    """
    return list(dict.fromkeys(path for given in inputs for path in _expand(given)))


def as_clips(paths: Sequence[Path], *, frames: int) -> list[Path]:
    """What a model of `frames` frames per clip takes: each image in a folder for one, else the folder as a sequence."""
    clips: list[Path] = []
    for path in paths:
        clips += (frame_files(path) or (path,)) if path.is_dir() and frames == 1 else (path,)
    return clips


def _expand(given: str) -> Iterator[Path]:
    if not given.strip():
        raise UserError(f"{given!r}: no file or folder; expected the name of one (. is the current folder)")
    path = Path(given)
    if not os.path.lexists(given):
        raise UserError(f"{given}: no such file or folder")
    if not os.path.isdir(given):  # noqa: PTH112 - Path.is_dir raises where a folder above may not be looked into
        yield path
        return
    videos = sorted(_videos_below(path))
    if not videos and any(is_image(file) for file in path.iterdir()):
        videos = [path]
    if not videos:
        raise UserError(f"{path}: no videos in this folder; expected {', '.join(sorted(VIDEO_SUFFIXES))}")
    yield from videos


def _videos_below(folder: Path) -> Iterator[Path]:
    closed: list[Path] = []
    for found, subfolders, names in os.walk(folder, onerror=lambda error: closed.append(Path(error.filename))):
        subfolders[:] = (name for name in subfolders if not name.startswith("."))
        for name in names:
            if Path(name).suffix.lower() in VIDEO_SUFFIXES and not name.startswith("."):
                yield Path(found, name)
    yield from closed
