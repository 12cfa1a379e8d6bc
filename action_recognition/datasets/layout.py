"""The layout that data sets share: one folder of videos a class."""

from pathlib import Path

from action_recognition.errors import DataError
from action_recognition.utils.text import printable
from action_recognition.video.decoder import VIDEO_SUFFIXES


def class_folders(videos_dir: Path) -> list[Path]:
    """Folders of clips, one a class, in alphabetical order.

    Raises:
        DataError: if there is none, or if one has a name that cannot be a label.
    """
    if not videos_dir.is_dir():
        raise DataError(f"data.videos_dir={videos_dir}: no such directory; python commands.py download-data brings it")
    folders = sorted(path for path in videos_dir.iterdir() if path.is_dir() and not path.name.startswith("."))
    if not folders:
        raise DataError(f"data.videos_dir={videos_dir}: expected one folder of videos per class, found no folder")
    for folder in folders:
        if folder.name != printable(folder.name):  # labels go into model files, which hold UTF-8
            line = "is the name of a class, and is not UTF-8 or has control characters; rename the folder"
            raise DataError(f"data.videos_dir={videos_dir}: {folder.name} {line}")
    return folders


def list_videos(folder: Path) -> list[Path]:
    """Videos directly in `folder`, by suffix, in alphabetical order, also those that decoding will find unreadable."""
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in VIDEO_SUFFIXES)
