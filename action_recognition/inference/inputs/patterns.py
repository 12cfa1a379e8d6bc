"""Names with stars and numbers: runs of images that make one clip, and patterns as in a shell."""

import os
import re
from collections import defaultdict
from collections.abc import Iterator
from glob import has_magic
from pathlib import Path

from action_recognition.video.clip_files import STAR, frame_files, is_image
from action_recognition.video.decoder import VIDEO_SUFFIXES

_NUMBER = re.compile(r"%(?:0\d*)?d")  # in names of FFmpeg's image2


def as_starred(path: Path) -> Path:
    """FFmpeg's `img_%04d.png` as `clip_files` writes it, `img_*.png`; other names, and those of files, unchanged."""
    name, numbers = _NUMBER.subn(STAR, path.name)
    return path if numbers != 1 or os.path.lexists(path) else path.with_name(name)


def files_that_match(pattern: str) -> list[Path]:
    """Videos that match a pattern, or lie in folders that match it; without such, images; else files of any name.

    Images are one clip if the pattern has a star for their numbers, or if it matches all that are in a folder.
    """
    if not has_magic(pattern):
        return []
    folder, rest = _literal_folder(Path(pattern))
    try:
        found = [path for path in sorted(folder.glob(rest)) if not _is_hidden(path.relative_to(folder), rest)]
    except (OSError, ValueError):  # ValueError: ** beside other letters, or a NUL
        return []
    folders = [path for path in found if is_folder(path)]
    videos = [path for path in found if is_video(path)] + [path for each in folders for path in videos_below(each)]
    if videos:
        return sorted(set(videos))
    images = [path for path in found if is_image(path)]
    if images:
        return list(_image_clips(images, Path(pattern).name))
    return [path for path in folders if frame_files(path)] or [path for path in found if path not in folders]


def videos_below(folder: Path) -> Iterator[Path]:
    """Videos in a folder and those below it; folders that cannot be read, because reading them tells why."""
    closed: list[Path] = []
    for found, subfolders, names in os.walk(folder, onerror=lambda error: closed.append(Path(error.filename))):
        subfolders[:] = (name for name in subfolders if not name.startswith("."))
        for name in names:
            if is_video(Path(name)) and not name.startswith("."):
                yield Path(found, name)
    yield from closed


def is_video(path: Path) -> bool:
    return path.suffix.lower() in VIDEO_SUFFIXES


def is_folder(path: Path) -> bool:
    return os.path.isdir(path)  # noqa: PTH112 - Path.is_dir raises where a folder above may not be looked into


def _literal_folder(pattern: Path) -> tuple[Path, str]:
    """The folder that a pattern begins with, whose own name may have brackets and stars, and the rest."""
    folder, parts = Path(), list(pattern.parts)
    while len(parts) > 1 and is_folder(folder / parts[0]):
        folder /= parts.pop(0)
    return folder, str(Path(*parts))


def _is_hidden(path: Path, pattern: str) -> bool:
    """As a shell has it: names that begin with a dot match only a pattern that does so, too."""
    wanted = any(part.startswith(".") for part in Path(pattern).parts)
    return not wanted and any(part.startswith(".") for part in path.parts)


def _image_clips(images: list[Path], name: str) -> Iterator[Path]:
    by_folder: dict[Path, list[Path]] = defaultdict(list)
    for image in images:
        by_folder[image.parent].append(image)
    for folder, matching in by_folder.items():
        if frame_files(folder / name):
            yield folder / name
        elif set(frame_files(folder) or ()) == set(matching):
            yield folder
        else:
            yield from matching
