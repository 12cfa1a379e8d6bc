"""UCF101's layout: `<Class>/v_<Class>_g<group>_c<clip>.avi`, and trainlist01-03.txt, testlist01-03.txt, classInd.txt.

The clips of a group were cut from one video, or from videos of one person or place, so a group is a source.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from action_recognition.datasets.official_lists import AnnotatedDataset, MissingListError, Split, find_files
from action_recognition.datasets.text_files import read_list
from action_recognition.errors import DataError, did_you_mean

CLASSES_NAME = "classInd.txt"
NAME = re.compile(r"(?P<source_video>v_(?P<label>.+)_g\d+)_c\d+$")


class UCF101(AnnotatedDataset):
    """Soomro et al., 2012: 101 classes, three splits that keep groups apart."""

    def parse_clip_name(self, stem: str, *, label: str) -> dict[str, str]:  # noqa: ARG002
        """`v_ApplyEyeMakeup_g08_c01` comes from `v_ApplyEyeMakeup_g08`; a name of another form is its own source."""
        match = NAME.match(stem)
        return {"source_video": match["source_video"] if match else stem}

    def read_split(self, splits_dir: Path, *, split: int, classes: Sequence[str] | None = None) -> Split:
        """`{(class, file name): "train" | "test"}` from the two lists of the split.

        Raises:
            MissingListError: if one of the lists does not exist.
            DataError: if they do not know one of `classes`, a clip is in both, or a line has another form.
        """
        numbers = _read_classes(splits_dir / CLASSES_NAME)
        for label in classes or ():
            if label not in numbers:
                hint = did_you_mean(label, numbers)
                raise DataError(f"class folder {label!r} is not in {splits_dir / CLASSES_NAME}{hint}")
        wanted = numbers if classes is None else set(classes)
        assigned: Split = {}
        for part in ("train", "test"):
            for place, line in _lines(splits_dir / f"{part}list0{split}.txt"):
                label, slash, name = line.partition("/")
                if part == "train" and slash:
                    name, _, number = name.rpartition(" ")
                    if number != (known := numbers.get(label)):
                        raise DataError(f"{place}: {line[:200]!r}: {CLASSES_NAME} has {known} for {label!r}")
                if not name or label not in numbers or "/" in name or "\\" in name:
                    form = "<Class>/<file name>" + " <number>" * (part == "train")
                    raise DataError(f"{place}: {line[:200]!r} is not {form!r}")
                if assigned.get((label, name), part) != part:
                    raise DataError(f"{place}: {line[:200]!r} is in the training list of split {split} too")
                if label in wanted:
                    assigned[label, name] = part
        return assigned

    def find_lists(self, folder: Path) -> dict[str, bytes]:
        """The lists of the recognition task below `folder`; those of the detection task have other names."""
        return find_files(folder, "trainlist0[123].txt", "testlist0[123].txt", CLASSES_NAME)


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
    """Place and text of the lines that are not blank."""
    try:
        yield from read_list(path)
    except FileNotFoundError:
        raise MissingListError(path.parent, path.name) from None
