"""UCF101's layout: `<Class>/v_<Class>_g<group>_c<clip>.avi`, and trainlist01-03.txt, testlist01-03.txt, classInd.txt.

The clips of a group were cut from one video, or from videos of one person or place: a group is a source.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from action_recognition.datasets.class_folders import ClipName
from action_recognition.datasets.official_lists import AnnotatedDataset, MissingListError, Split, find_files
from action_recognition.datasets.text_files import read_list
from action_recognition.errors import DataError, did_you_mean

CLASSES_NAME = "classInd.txt"
NAME = re.compile(r"^(?P<source_video>v_(?P<label>.+)_g\d+)_c\d+$")


class UCF101(AnnotatedDataset):
    """Soomro et al., 2012: 101 classes, three splits that keep groups apart."""

    def parse_clip_name(self, stem: str, *, label: str) -> ClipName:  # noqa: ARG002
        """`v_ApplyEyeMakeup_g08_c01` comes from `v_ApplyEyeMakeup_g08`; a name of another form is its own source."""
        match = NAME.match(stem)
        return ClipName(source_video=match["source_video"] if match else stem)

    def read_split(self, splits_dir: Path, *, split: int, classes: Sequence[str] | None = None) -> Split:
        """`{(class, file name): "train" | "test"}` from the two lists of the split.

        Raises:
            MissingListError: when one of the lists is not there.
            DataError: when they do not know one of `classes`, a clip is in both, or a line has another form.
        """
        numbers = _read_classes(splits_dir / CLASSES_NAME)
        for label in classes or ():
            if label not in numbers:
                hint = did_you_mean(label, numbers)
                raise DataError(f"class folder {label!r} is not in {splits_dir / CLASSES_NAME}{hint}")
        wanted = numbers if classes is None else set(classes)
        assigned: Split = {}
        for part in ("train", "test"):
            path = splits_dir / f"{part}list0{split}.txt"
            for place, line in _lines(path):
                label, slash, name = line.partition("/")
                if part == "train" and slash:
                    name, _, number = name.rpartition(" ")
                    if number != numbers.get(label):
                        raise DataError(
                            f"{place}: {line[:200]!r}: {CLASSES_NAME} has {numbers.get(label)} for {label!r}"
                        )
                if not name or label not in numbers:
                    raise DataError(
                        f"{place}: {line[:200]!r} is not '<Class>/<file name>{' <number>' * (part == 'train')}'"
                    )
                if "/" in name or "\\" in name:
                    raise DataError(f"{place}: {line[:200]!r} is not '<Class>/<file name>'")
                if assigned.get((label, name), part) != part:
                    raise DataError(f"{place}: {line[:200]!r} is in the training list of split {split} too")
                if label in wanted:
                    assigned[label, name] = part
        return assigned

    def find_lists(self, folder: Path) -> dict[str, bytes]:
        """The lists of the recognition task below `folder`; the detection task's have other names."""
        return find_files(folder, ["trainlist0[123].txt", "testlist0[123].txt", CLASSES_NAME])


def _read_classes(path: Path) -> dict[str, str]:
    """`{"ApplyEyeMakeup": "1", ...}`."""
    numbers: dict[str, str] = {}
    for place, line in _lines(path):
        number, _, label = line.partition(" ")
        if not number.isdigit() or not label or label in numbers:
            raise DataError(f"{place}: {line[:200]!r} is not '<number> <Class>', each class once")
        numbers[label] = number
    return numbers


def _lines(path: Path) -> Iterator[tuple[str, str]]:
    """The lines that are not blank, and where they stand."""
    try:
        yield from read_list(path)
    except FileNotFoundError:
        raise MissingListError(path.parent, path.name) from None
