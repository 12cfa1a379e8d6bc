"""Arranging loose files as `<class>/<clip>`."""

import filecmp
import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from action_recognition.datasets.class_folders import class_folders, list_videos
from action_recognition.download.completeness import Clip
from action_recognition.errors import DataError
from action_recognition.video.decoder import VIDEO_SUFFIXES


class Places:
    """Which class a clip belongs to: the folder it lies in or, if the lists do not know that, the one they name it in.

    Packagings of a data set differ in folders and in upper and lower case; the lists' own writing is taken.
    """

    def __init__(self, listed: Iterable[Clip]) -> None:
        self.listed = frozenset(listed)
        self.any_case = {(label.casefold(), name.casefold()): (label, name) for label, name in self.listed}
        self.by_name = {name.casefold(): (label, name) for label, name in self.listed}
        self.classes = {label.casefold(): label for label, _ in self.listed}

    def of(self, video: Path, root: Path) -> Clip:
        """Raises `DataError` for a clip that lies in no folder and that no list names."""
        folder, name = video.parent.name, video.name
        if video.parent != root:
            if (folder, name) in self.listed:
                return folder, name
            if clip := self.any_case.get((folder.casefold(), name.casefold())):
                return clip
            if label := self.classes.get(folder.casefold()):
                return label, name
        if clip := self.by_name.get(name.casefold()):
            return clip
        if video.parent == root:
            raise DataError(
                f"{name}: lies in no class folder; data.archive takes <class>/<clip>, in a folder or archive"
            )
        return folder, name


def find_videos(root: Path) -> list[Path]:
    """All videos below `root`, in alphabetical order; hidden ones are no data."""
    paths = (path for path in root.rglob("*") if path.suffix.lower() in VIDEO_SUFFIXES and path.is_file())
    return sorted(path for path in paths if not any(part.startswith(".") for part in path.relative_to(root).parts))


def find_clips(videos_dir: Path) -> list[Clip]:
    """Class and file name of the videos in class folders."""
    return [(folder.name, video.name) for folder in class_folders(videos_dir) for video in list_videos(folder)]


def link_clips(root: Path, staged: Path, listed: Iterable[Clip]) -> list[Clip]:
    """Make `staged` anew, with the videos below `root` in their classes; returns what is in it.

    The files are hard links where the disk has them, so nothing is taken from `root` and no room is needed.

    Raises:
        DataError: for two different videos of one name and class, or one without class.
    """
    shutil.rmtree(staged, ignore_errors=True)
    places, origins = Places(listed), dict[Clip, Path]()
    for video in find_videos(root):
        clip = places.of(video, root)
        if first := origins.get(clip):
            if not filecmp.cmp(first, video, shallow=False):
                pair = f"{first.relative_to(root)} and {video.relative_to(root)}"
                raise DataError(f"{'/'.join(clip)}: two different clips of that name ({pair}); leave only one")
            continue
        origins[clip] = video
        target = staged.joinpath(*clip)
        target.parent.mkdir(parents=True, exist_ok=True)
        _link(video, target)
    return sorted(origins)


def write_lists(lists: dict[str, bytes], staged: Path) -> None:
    """Make `staged` anew, with these files."""
    shutil.rmtree(staged, ignore_errors=True)
    staged.mkdir(parents=True)
    for name, content in lists.items():
        (staged / name).write_bytes(content)


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
