"""Arranges loose files as `<class>/<clip>`."""

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
    """The class of a clip: the folder that it is in or, if the lists do not know that folder, the class in the lists.

    Packagings of a data set differ in their folders and in upper and lower case; the result has the lists' spelling.
    """

    def __init__(self, listed: Iterable[Clip]) -> None:
        self.listed = frozenset(listed)
        self.any_case = {(label.casefold(), name.casefold()): (label, name) for label, name in self.listed}
        self.by_name = {name.casefold(): (label, name) for label, name in self.listed}
        self.classes = {label.casefold(): label for label, _ in self.listed}

    def of(self, video: Path, root: Path) -> Clip:
        """Raises `DataError` for a clip outside class folders that no list names."""
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


def find_clips(videos_dir: Path) -> list[Clip]:
    """The class and file name of all videos in class folders."""
    return [(folder.name, video.name) for folder in class_folders(videos_dir) for video in list_videos(folder)]


def link_clips(root: Path, staged: Path, listed: Iterable[Clip]) -> list[Clip]:
    """Replace `staged` by a folder with the videos below `root`, hidden ones excepted, in class folders; returns them.

    The files are hard links where the disk supports them, which need no room and leave `root` as it is.

    Raises:
        DataError: for two different videos of one name and class, or one without class.
    """
    shutil.rmtree(staged, ignore_errors=True)
    places, origins = Places(listed), dict[Clip, Path]()
    for video in sorted(path for path in root.rglob("*") if path.suffix.lower() in VIDEO_SUFFIXES and path.is_file()):
        if any(part.startswith(".") for part in video.relative_to(root).parts):
            continue
        clip = places.of(video, root)
        if first := origins.get(clip):
            if not filecmp.cmp(first, video, shallow=False):
                pair = f"{first.relative_to(root)} and {video.relative_to(root)}"
                raise DataError(f"{'/'.join(clip)}: two different clips of that name ({pair}); leave only one")
            continue
        origins[clip] = video
        target = staged.joinpath(*clip)
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(video, target)
        except OSError:
            shutil.copyfile(video, target)
    return sorted(origins)
