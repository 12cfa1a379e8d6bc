"""HMDB51's layout: `<class>/<source>_<class>_<tags>_<n>.avi`, and `<class>_test_split<1|2|3>.txt`."""

import json
import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from action_recognition.datasets.official_lists import AnnotatedDataset, MissingListError, Split, find_files
from action_recognition.datasets.text_files import read_list
from action_recognition.errors import DataError, did_you_mean

# What follows <source>_<action>_ in a file name.
TAGS = re.compile(
    r"(?P<visible_body>[hulf])_(?P<camera>cm|nm)_np(?P<people>\d+)_(?P<view>fr|ba|le|ri)_(?P<quality>goo|med|bad)_\d+$"
)
# The encoding in testTrainMulti_7030_splits.
SPLIT_CODES = {"0": "unused", "1": "train", "2": "test"}


def parse_clip_name(stem: str, *, label: str) -> dict[str, str]:
    """`source_video` and tags; a name of another form is its own source, without tags."""
    # The label is known, so the source ends before its last mention: sources may name an action and have underscores.
    source, _, rest = stem.rpartition(f"_{label}_")
    match = TAGS.match(rest)
    return {"source_video": source, **match.groupdict()} if source and match else {"source_video": stem}


class HMDB51(AnnotatedDataset):
    """Kuehne et al., ICCV 2011: 51 classes, three splits of 70 training and 30 test clips per class."""

    parse_clip_name = staticmethod(parse_clip_name)

    def read_split(self, splits_dir: Path, *, split: int, classes: Sequence[str] | None = None) -> Split:
        """`{(class, file name): "train" | "test" | "unused"}` from `<class>_test_split<split>.txt`.

        Raises:
            MissingListError: if there are no files of this split.
            DataError: if the file of one of `classes` is missing or empty, a clip has two codes, or a line has another
                form.
        """
        known = sorted(path.name.rsplit("_test_split", 1)[0] for path in splits_dir.glob(f"*_test_split{split}.txt"))
        if not known:
            raise MissingListError(splits_dir, f"*_test_split{split}.txt")
        assigned: Split = {}
        for label in known if classes is None else classes:
            if label not in known:
                raise DataError(f"class folder {label!r} has no split file in {splits_dir}{did_you_mean(label, known)}")
            for name, part in _read_class(splits_dir / f"{label}_test_split{split}.txt").items():
                assigned[label, name] = part
        return assigned

    def find_lists(self, folder: Path) -> dict[str, bytes]:
        """The split files below `folder`, or the hub's `metadata_split<n>.jsonl` turned into that form."""
        lists = find_files(folder, "*_test_split[123].txt")
        if not lists:
            for name, content in find_files(folder, "metadata_split[123].jsonl").items():
                lists |= _from_metadata(name, content, split=name.removeprefix("metadata_split")[0])
        return lists


class Demo(HMDB51):
    """The synthetic videos of `data=demo`: eight actions of stick figures in four pairs that share every pose."""

    renderer = "action_recognition.synthetic.videos:render_demo_set"


def _read_class(path: Path) -> dict[str, str]:
    """`{file name: "train" | "test" | "unused"}` of one split file."""
    named: dict[str, str] = {}
    for place, line in read_list(path):
        name, _, code = line.replace("\t", " ").rpartition(" ")
        name = name.strip()
        if not name or code not in SPLIT_CODES or "/" in name or "\\" in name:
            raise DataError(f"{place}: {line[:200]!r} is not '<file name> <0|1|2>'")
        if named.setdefault(name, SPLIT_CODES[code]) != SPLIT_CODES[code]:
            raise DataError(f"{place}: {name} is {SPLIT_CODES[code]} here and {named[name]} before; keep one line")
    return named


def _from_metadata(name: str, content: bytes, *, split: str) -> dict[str, bytes]:
    """Split files from lines that are objects with `video_path`, `label` and `subset`, the code of the split files."""
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
            raise DataError(f"{name}:{number}: label {label!r} is not a class name")
    return {name: "".join(sorted(entries)).encode() for name, entries in lines.items()}
