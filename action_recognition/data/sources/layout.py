"""The layout that data sets share: one folder of videos a class."""

from pathlib import Path

from action_recognition.data.video import VIDEO_SUFFIXES
from action_recognition.errors import DataError


def class_folders(videos_dir: Path) -> list[Path]:
    """Folders of clips, one a class, in alphabetical order.

    Raises:
        DataError: if there is none.
    """
    if not videos_dir.is_dir():
        raise DataError(f"data.videos_dir={videos_dir}: no such directory; python commands.py download-data brings it")
    folders = sorted(path for path in videos_dir.iterdir() if path.is_dir() and not path.name.startswith("."))
    if not folders:
        raise DataError(f"data.videos_dir={videos_dir}: expected one folder of videos per class, found no folder")
    return folders


def list_videos(folder: Path) -> list[Path]:
    """Video files directly in `folder`, by suffix, in alphabetical order."""
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in VIDEO_SUFFIXES and path.is_file())
