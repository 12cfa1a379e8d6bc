"""Whether a download is the whole data set: compares lists with their known counts, and clips with the lists."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from action_recognition.config import DataConfig, FullSetConfig
from action_recognition.datasets.official_lists import SPLIT_NUMBERS, AnnotatedDataset, MissingListError, Split
from action_recognition.errors import DataError

Clip = tuple[str, str]  # its class and file name


class IncompleteError(DataError):
    """A download that is not the whole data set."""


@dataclass(frozen=True)
class Lists:
    """The official lists of a data set: for each split's number, the part that every clip belongs to."""

    splits: dict[int, Split]

    @cached_property
    def clips(self) -> frozenset[Clip]:
        return frozenset(clip for split in self.splits.values() for clip in split)

    @cached_property
    def classes(self) -> frozenset[str]:
        return frozenset(label for label, _ in self.clips)


def read_lists(dataset: AnnotatedDataset, splits_dir: Path, data: DataConfig, *, must_be_full: bool = False) -> Lists:
    """The splits in `splits_dir`, which must name the same clips, and the right number if they have all classes.

    Raises:
        MissingListError: split `data.split`, or with `must_be_full` any split, is missing.
        IncompleteError: the lists have other counts than `data.full_set`, or with `must_be_full` other classes.
        DataError: a list is broken or contradicts another.
    """
    splits: dict[int, Split] = {}
    for number in SPLIT_NUMBERS:
        try:
            splits[number] = dataset.read_split(splits_dir, split=number)
        except MissingListError:
            if must_be_full or number == data.split:
                raise
    lists, full_set = Lists(splits), data.full_set
    for number, split in splits.items():
        if absent := sorted(lists.clips - split.keys()):
            raise DataError(f"{splits_dir}: split {number} does not name {_some(absent)}, the others do")
    if full_set is None:
        return lists
    if must_be_full and len(lists.classes) != full_set.classes:
        raise IncompleteError(f"lists of {len(lists.classes)} classes, expected {full_set.classes}")
    if len(lists.classes) == full_set.classes:
        for number, split in splits.items():
            counts = Counter(split.values())
            found = (len(split), counts["train"], counts["test"])
            expected = (full_set.clips, full_set.train[number - 1], full_set.test[number - 1])
            if found != expected:
                counted = "{:,} clips, {:,} train, {:,} test"
                raise IncompleteError(f"split {number}: {counted.format(*found)}; expected {counted.format(*expected)}")
    return lists


@dataclass(frozen=True)
class Coverage:
    """How much of the data set is on disk; no list names the `unlisted` clips."""

    classes: int
    clips: int
    all_classes: int
    all_clips: int
    unlisted: tuple[Clip, ...]

    def __str__(self) -> str:
        if (self.classes, self.clips) == (self.all_classes, self.all_clips):
            said = f"complete: {self.classes} classes, {self.clips:,} clips"
        else:
            said = f"subset: {self.classes} of {self.all_classes} classes, {self.clips:,} of {self.all_clips:,} clips"
        return f"{said}; unused, as no official list has them: {_some(self.unlisted)}" if self.unlisted else said


def check_clips(
    clips: Iterable[Clip], lists: Lists, full_set: FullSetConfig | None, *, must_be_full: bool = False
) -> Coverage:
    """Compare clips with the lists.

    Raises:
        IncompleteError: with `must_be_full`, if a clip is missing or unlisted.
        DataError: a clip is in another class than in the lists.
    """
    found = frozenset(clips)
    classes_of = {name: label for label, name in lists.clips}
    unlisted = sorted(found - lists.clips)
    for label, name in unlisted:
        if name in classes_of:
            raise DataError(f"{label}/{name}: the official lists have this clip in class {classes_of[name]!r}")
    known = found & lists.clips
    full = (len(lists.classes), len(lists.clips))
    if full_set is not None:
        full = (max(full[0], full_set.classes), max(full[1], full_set.clips))
    coverage = Coverage(len({label for label, _ in known}), len(known), *full, tuple(unlisted))
    if must_be_full and full_set is not None and (unlisted or len(known) < coverage.all_clips):
        missing = sorted(lists.clips - found)
        without = f", without {_some(missing)}" if missing else ""
        raise IncompleteError(f"{coverage}{without}; data.full_set=null takes what there is")
    return coverage


def _some(clips: Iterable[Clip]) -> str:
    """The first clip and the number of others."""
    first, *more = ["/".join(clip) for clip in clips]
    return f"{first} and {len(more)} more" if more else first
