"""The clips that a command's inputs name: video files, images, and folders of them."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from action_recognition.errors import UserError
from action_recognition.video.clip_files import frame_files, is_image
from action_recognition.video.decoder import VIDEO_SUFFIXES


def expand_inputs(inputs: Sequence[str]) -> list[Path]:
    """Given files, and the videos below given folders, sorted; each path once.

    A given file may have any name. In folders the suffix decides, and hidden files and folders are skipped. Unreadable
    videos (a pipe, a dangling link) and folders are included: reading them reports why. A folder with images but no
    videos is included itself, because its meaning depends on the model (see `as_clips`).

    Raises:
        UserError: for a path that does not exist, or a folder without videos and images.
    """
    return list(dict.fromkeys(path for given in inputs for path in _expand(given)))


def as_clips(paths: Sequence[Path], *, frames: int) -> list[Path]:
    """For a model of one frame per clip, each image in a folder is a clip; for others, the folder is a sequence."""
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
