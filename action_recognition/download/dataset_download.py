"""Download what is missing of a data set: official lists first, since they say what the clips have to be."""

import shutil
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path

from rich.console import Console

from action_recognition.config import DataConfig, MirrorConfig
from action_recognition.datasets import dataset_of
from action_recognition.datasets.official_lists import AnnotatedDataset, MissingListError, lists_dir
from action_recognition.download.completeness import Coverage, IncompleteError, Lists, check_clips, read_lists
from action_recognition.download.layout import find_clips, link_clips, write_lists
from action_recognition.download.mirrors import from_archive, from_mirrors, is_url
from action_recognition.errors import DataError
from action_recognition.utils.folders import move_folder

DOWNLOADS_DIR = Path(".cache/downloads")


def download_videos(data: DataConfig, console: Console) -> None:
    """Download what is missing of a data set of videos, and print how much of it is there.

    Raises:
        DataError: no mirror and no archive has it, or what they have is not the data set.
    """
    if coverage := DatasetDownload(data, console).run():
        console.print(f"{data.name} {coverage}", markup=False, highlight=False)


class DatasetDownload:
    """One run of `download-data` over one data set. It may be stopped anywhere; the next run continues."""

    def __init__(self, data: DataConfig, console: Console) -> None:
        self.data, self.console = data, console
        self.work = DOWNLOADS_DIR / data.name
        self.videos_dir = Path(data.videos_dir)
        self.official: OfficialLists | None = None
        if isinstance(dataset := dataset_of(data), AnnotatedDataset):
            self.official = OfficialLists(dataset, lists_dir(data), data)

    def run(self) -> Coverage | None:
        """Download lists and clips, compare them, and return how much of the data set is there.

        Returns:
            None for a data set without official lists.

        Raises:
            DataError: no mirror and no archive has it, or what they have is not the data set.
        """
        if self.official and not self.official.are_there():
            self._get_lists(self.official)
        if _holds_something(self.videos_dir):
            also = "; move it away to take data.archive" if self.data.archive else ""
            self._say(f"{self.videos_dir} already exists{also}")
        else:
            self._get_clips()
        if not self.data.keep_downloads:
            shutil.rmtree(self.work, ignore_errors=True)
        if self.official is None:
            return None
        return check_clips(find_clips(self.videos_dir), self.official.lists, self.data.full_set)

    def _get_lists(self, official: "OfficialLists") -> None:
        staged = self.work / "staged" / "splits"

        def use(files: Path, *, must_be_full: bool) -> None:
            official.take(files, staged, must_be_full=must_be_full)
            self._say(f"{official.splits_dir}: the official splits")

        archive, mirrors = self.data.splits_archive, self.data.mirrors.splits
        if archive is None and self._archive_files and official.dataset.find_lists(self._archive_files):
            use(self._archive_files, must_be_full=False)
        else:
            self._get("splits", archive, mirrors, use)

    def _get_clips(self) -> None:
        lists = self.official.lists if self.official else Lists({})
        staged = self.work / "staged" / "videos"

        def use(files: Path, *, must_be_full: bool) -> None:
            clips = link_clips(files, staged, lists.clips)
            if not clips:
                raise IncompleteError("no videos in it; expected class folders of videos")
            if self.official:
                check_clips(clips, lists, self.data.full_set, must_be_full=must_be_full)
                self.official.check_classes({label for label, _ in clips})
            move_folder(staged, self.videos_dir)
            self._say(f"{self.videos_dir}: {len(clips):,} clips")

        self._get("videos", self.data.archive, self.data.mirrors.videos, use)

    def _get(self, part: str, archive: str | None, mirrors: Sequence[MirrorConfig], use: Callable[..., None]) -> None:
        """From the user's own archive, which may hold a subset, or from the mirrors."""
        key = "data.archive" if part == "videos" else "data.splits_archive"
        where = f"{key}=FILE|FOLDER|URL"
        if archive is not None and not is_url(archive):
            files = self._opened(archive)
            try:
                use(files, must_be_full=False)
            except DataError as error:
                shutil.rmtree(files, ignore_errors=True)  # only a copy
                raise DataError(f"{key}={archive}: {error}") from None
            return
        if archive is not None:
            mirrors = [MirrorConfig(url=archive)]
        if not mirrors:
            folder = self.videos_dir if part == "videos" else self.data.splits_dir
            raise DataError(
                f"data.{part}_dir={folder}: no such directory, and no mirror is known; give {where}, "
                f"or point data.{part}_dir at one"
            )
        from_mirrors(
            mirrors,
            lambda files: use(files, must_be_full=archive is None),
            what=f"{self.data.name} {part}",
            work=self.work / part,
            hub=self.data.hub,
            hint=f"or get it another way: download-data data={self.data.name} {where}",
            console=self.console,
        )

    @cached_property
    def _archive_files(self) -> Path | None:
        """What is in `data.archive`, if it is on this machine and the clips are not in place yet."""
        archive = self.data.archive
        if archive is None or is_url(archive) or _holds_something(self.videos_dir):
            return None
        return self._opened(archive)

    def _opened(self, archive: str) -> Path:
        return from_archive(Path(archive).expanduser(), self.work, self.console)

    def _say(self, line: str) -> None:
        self.console.print(line, markup=False, highlight=False)


class OfficialLists:
    """The official lists of a data set: whether they are in place, and how they get there."""

    def __init__(self, dataset: AnnotatedDataset, splits_dir: Path, data: DataConfig) -> None:
        self.dataset, self.splits_dir, self.data = dataset, splits_dir, data

    def are_there(self) -> bool:
        try:
            self.dataset.read_split(self.splits_dir, split=self.data.split, classes=())
        except MissingListError:
            return False
        return True

    @cached_property
    def lists(self) -> Lists:
        """The splits; call this once `are_there()`."""
        return read_lists(self.dataset, self.splits_dir, self.data)

    def check_classes(self, classes: set[str]) -> None:
        """Raises `DataError` for a class that the lists do not know."""
        self.dataset.read_split(self.splits_dir, split=self.data.split, classes=sorted(classes))

    def take(self, files: Path, staged: Path, *, must_be_full: bool) -> None:
        """Put the lists that lie below `files` into place, if they are right."""
        found = self.dataset.find_lists(files)
        if not found:
            raise IncompleteError("no official split files in it")
        write_lists(found, staged)
        try:
            read_lists(self.dataset, staged, self.data, must_be_full=must_be_full)
        except MissingListError as error:
            raise IncompleteError(f"no {error.missing} in it") from None
        move_folder(staged, self.splits_dir)


def _holds_something(folder: Path) -> bool:
    return folder.is_dir() and any(folder.iterdir())
