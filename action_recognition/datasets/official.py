"""What a data set with official splits has to tell; each is a module of this package with these three functions."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

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


@dataclass(frozen=True, kw_only=True)
class ClipName:
    """What a file name tells about its clip: the source video it was cut from, and tags if the data set has any."""

    source_video: str
    tags: dict[str, str] = field(default_factory=dict)


class OfficialSource(Protocol):
    """A data set whose authors say which clips train and which test."""

    def parse_clip_name(self, stem: str, *, label: str) -> ClipName:
        """Take a file name apart; a name of another form is its own source."""

    def read_split(self, splits_dir: Path, *, split: int, classes: Sequence[str] | None = None) -> Split:
        """The split of every clip that the lists name, of `classes` or of all.

        Raises:
            MissingListError: when there are no lists of this split.
            DataError: when they do not know one of `classes`, or a line has another form.
        """

    def find_lists(self, folder: Path) -> dict[str, bytes]:
        """The list files of `read_split`, name and content, wherever they lie below `folder`; empty if none do."""


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
