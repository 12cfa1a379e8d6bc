"""HMDB51's layout: `<class>/<source>_<class>_<tags>_<n>.avi`, and official split files."""

import re
from dataclasses import dataclass
from pathlib import Path

from action_recognition.data.video import VIDEO_SUFFIXES
from action_recognition.errors import DataError

# <source>_<action>_<visible body>_<camera>_<people>_<view>_<quality>_<n>; the source may itself hold underscores.
TAGS_PATTERN = (
    r"(?P<visible_body>[hulf])_(?P<camera>cm|nm)_np(?P<people>\d+)_"
    r"(?P<view>fr|ba|le|ri)_(?P<quality>goo|med|bad)_(?P<number>\d+)"
)
NAME = re.compile(rf"^(?P<source>.+)_(?P<label>[a-z0-9_]+?)_{TAGS_PATTERN}$")
TAGS = ("visible_body", "camera", "people", "view", "quality")


@dataclass(frozen=True, kw_only=True)
class ClipName:
    """What an HMDB51 file name tells about its clip."""

    source: str
    tags: dict[str, str]


def parse_clip_name(stem: str, *, label: str) -> ClipName:
    """Take a file name apart; a name of another form is its own source, with empty tags."""
    marker = f"_{label}_"
    # The class is known, so the source is what stands before its last mention: sources may name an action too.
    position = stem.rfind(marker)
    match = NAME.match(f"x{marker}{stem[position + len(marker) :]}") if position > 0 else None
    if match is None:
        return ClipName(source=stem, tags=dict.fromkeys(TAGS, ""))
    return ClipName(source=stem[:position], tags={tag: match[tag] for tag in TAGS})


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
