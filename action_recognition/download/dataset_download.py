"""Downloads what is missing of a data set: first the official lists, which say what the clips must be."""

import shutil
from collections.abc import Callable, Collection, Sequence
from functools import cached_property
from pathlib import Path

from rich.console import Console

from action_recognition.config import DataConfig, MirrorConfig
from action_recognition.datasets import dataset_of
from action_recognition.datasets.official_lists import AnnotatedDataset, MissingListError, lists_dir
from action_recognition.download.completeness import IncompleteError, Lists, check_clips, read_lists
from action_recognition.download.layout import find_clips, link_clips
from action_recognition.download.mirrors import from_archive, from_mirrors, is_url
from action_recognition.errors import DataError
from action_recognition.utils.folders import move_folder

DOWNLOADS_DIR = Path(".cache/downloads")


def download_videos(data: DataConfig, console: Console) -> None:
    """Download what is missing of a data set of videos and, if it has official lists, print how complete it is.

    Raises:
        DataError: no mirror or archive has the data set.
    """
    DatasetDownload(data, console).run()


class DatasetDownload:
    """One run of `download-data` for one data set. It may stop anywhere; the next run continues."""

    def __init__(self, data: DataConfig, console: Console) -> None:
        self.data, self.console = data, console
        self.work = DOWNLOADS_DIR / data.name
        self.videos_dir = Path(data.videos_dir)
        self.official: OfficialLists | None = None
        if isinstance(dataset := dataset_of(data), AnnotatedDataset):
            self.official = OfficialLists(dataset, lists_dir(data), data)

    def run(self) -> None:
        if self.official:
            try:
                self.official.check()
            except MissingListError:
                self._get_lists(self.official)
        if holds_something(self.videos_dir):
            also = "; move it away to take data.archive" if self.data.archive else ""
            self._say(f"{self.videos_dir} already exists{also}")
        else:
            self._get_clips()
        if not self.data.keep_downloads:
            shutil.rmtree(self.work, ignore_errors=True)
        if self.official:
            coverage = check_clips(find_clips(self.videos_dir), self.official.lists, self.data.full_set)
            self._say(f"{self.data.name} {coverage}")

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
                self.official.check({label for label, _ in clips})
            move_folder(staged, self.videos_dir)
            self._say(f"{self.videos_dir}: {len(clips):,} clips")

        self._get("videos", self.data.archive, self.data.mirrors.videos, use)

    def _get(self, part: str, archive: str | None, mirrors: Sequence[MirrorConfig], use: Callable[..., None]) -> None:
        """Call `use` with the files of the user's own archive, which may hold a subset, or of a mirror."""
        key = "data.archive" if part == "videos" else "data.splits_archive"
        where = f"{key}=FILE|FOLDER|URL"
        if archive is not None and not is_url(archive):
            files = from_archive(archive, self.work, self.console)
            try:
                use(files, must_be_full=False)
            except DataError as error:
                shutil.rmtree(files, ignore_errors=True)  # they are only a copy
                raise DataError(f"{key}={archive}: {error}") from None
            return
        if archive is not None:
            mirrors = [MirrorConfig(url=archive)]
        if not mirrors:
            folder = self.videos_dir if part == "videos" else self.data.splits_dir
            raise DataError(
                f"data.{part}_dir={folder}: no such directory, and no mirror is known; give {where}, "
                f"or set data.{part}_dir to an existing folder"
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
        """The files of `data.archive`, if it is on this machine and the clips are not in place yet."""
        archive = self.data.archive
        if archive is None or is_url(archive) or holds_something(self.videos_dir):
            return None
        return from_archive(archive, self.work, self.console)

    def _say(self, line: str) -> None:
        self.console.print(line, markup=False, highlight=False)


class OfficialLists:
    """The official lists of a data set: whether they are in place, and how they get there."""

    def __init__(self, dataset: AnnotatedDataset, splits_dir: Path, data: DataConfig) -> None:
        self.dataset, self.splits_dir, self.data = dataset, splits_dir, data

    def check(self, classes: Collection[str] = ()) -> None:
        """Raise `MissingListError` if there are no lists yet, `DataError` if they do not know one of `classes`."""
        self.dataset.read_split(self.splits_dir, split=self.data.split, classes=sorted(classes))

    @cached_property
    def lists(self) -> Lists:
        return read_lists(self.dataset, self.splits_dir, self.data)

    def take(self, files: Path, staged: Path, *, must_be_full: bool) -> None:
        """Put the lists below `files` into place, if they are right."""
        found = self.dataset.find_lists(files)
        if not found:
            raise IncompleteError("no official split files in it")
        shutil.rmtree(staged, ignore_errors=True)
        staged.mkdir(parents=True)
        for name, content in found.items():
            (staged / name).write_bytes(content)
        try:
            read_lists(self.dataset, staged, self.data, must_be_full=must_be_full)
        except MissingListError as error:
            raise IncompleteError(f"no {error.missing} in it") from None
        move_folder(staged, self.splits_dir)


def holds_something(folder: Path) -> bool:
    return folder.is_dir() and any(folder.iterdir())
