"""Data sets whose authors publish lists of which clips train and which test."""

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from action_recognition.config import DataConfig
from action_recognition.datasets.class_folders import VideoFolders
from action_recognition.datasets.records import ClipRecord
from action_recognition.errors import DataError

# (class, file name) of a clip: "train", "test" or "unused".
Split = dict[tuple[str, str], str]
SPLIT_NUMBERS = (1, 2, 3)


class MissingListError(DataError):
    """The lists of a split are not there; `missing` says which."""

    def __init__(self, splits_dir: Path, missing: str) -> None:
        super().__init__(
            f"data.splits_dir={splits_dir}: no {missing} there; python commands.py download-data brings it"
        )
        self.missing = missing


class AnnotatedDataset(VideoFolders):
    """A data set with official lists in `data.splits_dir`, of which `data.split` chooses one."""

    @abstractmethod
    def read_split(self, splits_dir: Path, *, split: int, classes: Sequence[str] | None = None) -> Split:
        """The split of every clip that the lists name, of `classes` or of all.

        Raises:
            MissingListError: when there are no lists of this split.
            DataError: when they do not know one of `classes`, or a line has another form.
        """

    @abstractmethod
    def find_lists(self, folder: Path) -> dict[str, bytes]:
        """The list files of `read_split`, name and content, wherever they lie below `folder`; empty if none do."""

    def assign_splits(self, records: Sequence[ClipRecord], data: DataConfig) -> list[ClipRecord]:
        classes = sorted({record.label for record in records})
        split = self.read_split(lists_dir(data), split=data.split, classes=classes)
        return [replace(r, split=split.get((r.label, Path(r.path).name), "unused")) for r in records]


def lists_dir(data: DataConfig) -> Path:
    """The folder of the official lists; raises `DataError` where none is set."""
    if data.splits_dir is None:
        raise DataError(f"data={data.name}: data.splits_dir is not set; it names the folder of the split files")
    return Path(data.splits_dir)


def find_files(folder: Path, patterns: Iterable[str]) -> dict[str, bytes]:
    """Name and content of the files below `folder` with one of the names.

    Raises:
        DataError: if two with the same name differ.
    """
    found: dict[str, bytes] = {}
    paths = {path for pattern in patterns for path in folder.rglob(pattern) if path.is_file()}
    for path in sorted(paths):
        content = path.read_bytes()
        if found.setdefault(path.name, content) != content:
            raise DataError(f"{path}: there is another {path.name} in {folder}, with other content; leave only one")
    return found
