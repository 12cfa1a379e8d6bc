"""HMDB51's layout: `<class>/<source>_<class>_<tags>_<n>.avi`, and `<class>_test_split<1|2|3>.txt`."""

import json
import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from action_recognition.datasets.class_folders import ClipName
from action_recognition.datasets.official_lists import (
    SPLIT_NUMBERS,
    AnnotatedDataset,
    MissingListError,
    Split,
    find_files,
)
from action_recognition.datasets.text_files import read_list
from action_recognition.errors import DataError, did_you_mean

# <source>_<action>_<visible body>_<camera>_<people>_<view>_<quality>_<n>; the source may itself hold underscores.
NAME = re.compile(
    r"^(?P<source>.+)_(?P<label>[a-z0-9_]+?)_(?P<visible_body>[hulf])_(?P<camera>cm|nm)_np(?P<people>\d+)_"
    r"(?P<view>fr|ba|le|ri)_(?P<quality>goo|med|bad)_(?P<number>\d+)$"
)
TAGS = ("visible_body", "camera", "people", "view", "quality")
# The encoding in testTrainMulti_7030_splits.
SPLIT_CODES = {"0": "unused", "1": "train", "2": "test"}


def parse_clip_name(stem: str, *, label: str) -> ClipName:
    """Take a file name apart; a name of another form is its own source, with empty tags."""
    marker = f"_{label}_"
    # The class is known, so the source is what stands before its last mention: sources may name an action too.
    position = stem.rfind(marker)
    match = NAME.match(f"x{marker}{stem[position + len(marker) :]}") if position > 0 else None
    if match is None:
        return ClipName(source_video=stem, tags=dict.fromkeys(TAGS, ""))
    return ClipName(source_video=stem[:position], tags={tag: match[tag] for tag in TAGS})


class HMDB51(AnnotatedDataset):
    """Kuehne et al., ICCV 2011: 51 classes, three splits of 70 training and 30 test clips per class."""

    parse_clip_name = staticmethod(parse_clip_name)

    def read_split(self, splits_dir: Path, *, split: int, classes: Sequence[str] | None = None) -> Split:
        """`{(class, file name): "train" | "test" | "unused"}` from `<class>_test_split<split>.txt`.

        Raises:
            MissingListError: when there are no files of this split.
            DataError: when the file of one of `classes` is missing or empty, a clip is listed under two codes, or a
                line has another form.
        """
        known = sorted(path.name.rsplit("_test_split", 1)[0] for path in splits_dir.glob(f"*_test_split{split}.txt"))
        if not known:
            raise MissingListError(splits_dir, f"*_test_split{split}.txt")
        assigned: Split = {}
        for label in known if classes is None else classes:
            if label not in known:
                raise DataError(f"class folder {label!r} has no split file in {splits_dir}{did_you_mean(label, known)}")
            named = _read_class(splits_dir / f"{label}_test_split{split}.txt")
            assigned |= {(label, name): code for name, code in named.items()}
        return assigned

    def find_lists(self, folder: Path) -> dict[str, bytes]:
        """The split files below `folder`, or what the hub's `metadata_split<n>.jsonl` say, in the same form."""
        lists = find_files(folder, [f"*_test_split{split}.txt" for split in SPLIT_NUMBERS])
        if lists:
            return lists
        for name, content in find_files(folder, [f"metadata_split{split}.jsonl" for split in SPLIT_NUMBERS]).items():
            lists |= _from_metadata(name, content, split=name.removeprefix("metadata_split")[0])
        return lists


def _read_class(path: Path) -> dict[str, str]:
    """`{file name: "train" | "test" | "unused"}` of one split file."""
    named: dict[str, str] = {}
    for place, line in read_list(path):
        # File names hold no blanks, but be sure to split at the last one only.
        name, _, code = line.replace("\t", " ").rpartition(" ")
        name = name.strip()
        if not name or code not in SPLIT_CODES or "/" in name or "\\" in name:
            raise DataError(f"{place}: {line[:200]!r} is not '<file name> <0|1|2>'")
        if named.setdefault(name, SPLIT_CODES[code]) != SPLIT_CODES[code]:
            raise DataError(
                f"{place}: {name} is {SPLIT_CODES[code]} here and {named[name]} before; leave one line of it"
            )
    return named


def _from_metadata(name: str, content: bytes, *, split: str) -> dict[str, bytes]:
    """Each line an object with `video_path`, `label` and `subset`, the code of the split files."""
    lines: dict[str, list[str]] = defaultdict(list)
    for number, line in enumerate(content.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
            label, code = str(entry["label"]), str(entry["subset"])
            lines[f"{label}_test_split{split}.txt"].append(f"{PurePosixPath(entry['video_path']).name} {code} \n")
        except (ValueError, KeyError, TypeError):
            raise DataError(f"{name}:{number}: {line[:80]!r} has no video_path, label and subset") from None
        if "/" in label or "\\" in label:
            raise DataError(f"{name}:{number}: label {label!r} is no class name")
    return {name: "".join(sorted(entries)).encode() for name, entries in lines.items()}
