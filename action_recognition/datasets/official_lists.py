"""Data sets whose authors publish lists of training and test clips."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from action_recognition.config import DataConfig
from action_recognition.datasets.class_folders import VideoFolders
from action_recognition.datasets.records import ClipRecord
from action_recognition.errors import DataError

Split = dict[tuple[str, str], str]  # {(class, file name): "train", "test" or "unused"}
SPLIT_NUMBERS = (1, 2, 3)


class MissingListError(DataError):
    """A list of a split does not exist; `missing` is its name."""

    def __init__(self, splits_dir: Path, missing: str) -> None:
        command = "python commands.py download-data"
        super().__init__(f"data.splits_dir={splits_dir}: no {missing} there; {command} brings it")
        self.missing = missing


class AnnotatedDataset(VideoFolders):
    """A data set with official lists in `data.splits_dir`; `data.split` chooses one of them."""

    @abstractmethod
    def read_split(self, splits_dir: Path, *, split: int, classes: Sequence[str] | None = None) -> Split:
        """The split of every listed clip of `classes`, or of all classes.

        Raises:
            MissingListError: if there are no lists of this split.
            DataError: if they do not know one of `classes`, or a line has another form.
        """

    @abstractmethod
    def find_lists(self, folder: Path) -> dict[str, bytes]:
        """Name and content of the list files of `read_split`, wherever they lie below `folder`."""

    def assign_splits(self, records: Sequence[ClipRecord], data: DataConfig) -> list[ClipRecord]:
        classes = sorted({record.label for record in records})
        split = self.read_split(lists_dir(data), split=data.split, classes=classes)
        return [replace(r, split=split.get((r.label, Path(r.path).name), "unused")) for r in records]


def lists_dir(data: DataConfig) -> Path:
    """`data.splits_dir`; raises `DataError` if it is not set."""
    if data.splits_dir is None:
        raise DataError(f"data={data.name}: data.splits_dir is not set; it names the folder of the split files")
    return Path(data.splits_dir)


def find_files(folder: Path, *patterns: str) -> dict[str, bytes]:
    """Name and content of the files below `folder`; raises `DataError` if two files of one name differ."""
    found: dict[str, bytes] = {}
    for path in sorted(path for pattern in patterns for path in folder.rglob(pattern) if path.is_file()):
        content = path.read_bytes()
        if found.setdefault(path.name, content) != content:
            raise DataError(f"{path}: there is another {path.name} in {folder}, with other content; leave only one")
    return found
