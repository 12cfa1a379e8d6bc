"""Which clips are meant: video files, images, and folders of them."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from action_recognition.data.frames import frame_files, is_image
from action_recognition.data.video import VIDEO_SUFFIXES
from action_recognition.errors import UserError


def expand_sources(sources: Sequence[str]) -> list[Path]:
    """Files as they are given, folders as the videos below them, sorted; each once.

    A file is taken whatever its name; in folders the suffix decides, and hidden files and folders are passed over.
    A folder of images without videos stands for itself: what it is depends on the model, see `as_clips`.

    Raises:
        UserError: for a path that does not exist, or a folder without videos and images.
    """
    return list(dict.fromkeys(path for source in sources for path in _expand(Path(source))))


def as_clips(paths: Sequence[Path], *, frames: int) -> list[Path]:
    """Folders of images as what a model of `frames` frames a clip takes: each image for one, else the frames in it."""
    clips: list[Path] = []
    for path in paths:
        clips += (frame_files(path) or (path,)) if path.is_dir() and frames == 1 else (path,)
    return clips


def _expand(path: Path) -> Iterator[Path]:
    if not path.exists():
        raise UserError(f"{path}: no such file or folder")
    if not path.is_dir():
        yield path
        return
    videos = sorted(found for found in path.rglob("*") if _is_video(found, path))
    if not videos and any(is_image(file) for file in path.iterdir()):
        videos = [path]
    if not videos:
        raise UserError(f"{path}: no videos in this folder; expected {', '.join(sorted(VIDEO_SUFFIXES))}")
    yield from videos


def _is_video(path: Path, folder: Path) -> bool:
    hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
    return path.suffix.lower() in VIDEO_SUFFIXES and not hidden and path.is_file()
