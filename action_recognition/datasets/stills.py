"""Stills: a folder of images and a CSV of `filename` and `label`, as in Kaggle's Human Action Recognition.

The split is cut here, stratified by class. Each image counts as a source of its own: which of them come from one
photograph or one photographer is not known, so near duplicates may stand on both sides.
"""

import csv
import io
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from math import ceil, floor
from pathlib import Path

from action_recognition.config import Config, DataConfig
from action_recognition.datasets.listed import ListedClip
from action_recognition.datasets.lists import read_text
from action_recognition.errors import DataError
from action_recognition.utils.stored_values import Text
from action_recognition.video.regular_files import size_bytes

COLUMNS = ("filename", "label")
VALUE = Text(1000)


def list_stills(config: Config) -> list[ListedClip]:
    """One clip an image that `data.labels_csv` names, with its split.

    An image that is not there is listed with an error, as an unreadable one will be.

    Raises:
        DataError: without CSV or folder, on a row without label, or an image of two labels.
    """
    data, images_dir = config.data, Path(config.data.videos_dir)
    if not images_dir.is_dir():
        bring = f"python commands.py download-data data={data.name} brings it"
        raise DataError(f"data.videos_dir={images_dir}: no such directory; {bring}")
    if data.labels_csv is None:
        raise DataError(f"data={data.name}: data.labels_csv is not set; it names the CSV of filename and label")
    labels = read_labels(Path(data.labels_csv))
    listed = [_listed(name, label, images_dir) for name, label in labels.items()]
    return stratified_splits(listed, data)


def read_labels(path: Path) -> dict[str, str]:
    """`{file name: label}` in the order of the rows.

    Raises:
        DataError: if it is not there, has no such columns or rows, a row without either, or two labels of one image.
    """
    try:
        text = read_text(path)
    except FileNotFoundError:
        raise DataError(f"data.labels_csv={path}: cannot be read (no such file); download-data brings it") from None
    try:
        rows = csv.DictReader(io.StringIO(text, newline=""), strict=True)
        names = list(rows.fieldnames or ())
        if missing := [name for name in COLUMNS if names.count(name) != 1]:
            count = "no" if missing[0] not in names else "more than one"
            raise DataError(f"data.labels_csv={path}: {count} column {missing[0]!r}; expected {', '.join(COLUMNS)}")
        labels = _labels(rows, path)
    except csv.Error as error:
        raise DataError(f"data.labels_csv={path}: not a CSV ({error}); is a quotation mark left open?") from None
    if not labels:
        raise DataError(f"data.labels_csv={path}: names no image")
    return labels


def _labels(rows: "csv.DictReader[str]", path: Path) -> dict[str, str]:
    labels: dict[str, str] = {}
    for row in rows:
        place = f"{path}:{rows.line_num}"
        if None in row:
            raise DataError(f"{place}: more values than columns; a value with a comma in it needs quotation marks")
        name, label = ((row[column] or "").strip() for column in COLUMNS)
        if not name or not label:
            raise DataError(f"{place}: {name or label!r} has no {'label' if name else 'filename'}")
        for value in (name, label):
            if not VALUE.allows(value):
                raise DataError(f"{place}: {value[:60]!r}: expected {VALUE.expected}; is a quotation mark left open?")
        if labels.setdefault(name, label) != label:
            raise DataError(f"{place}: {name} is labelled {label!r} here and {labels[name]!r} before")
    return labels


def _listed(name: str, label: str, images_dir: Path) -> ListedClip:
    path = images_dir / name
    still = ListedClip(path=name, label=label, source_video=name)
    try:
        return replace(still, size_bytes=size_bytes(path))
    except OSError:
        return replace(still, error=f"{path}: no such file")


def stratified_splits(listed: Sequence[ListedClip], data: DataConfig) -> list[ListedClip]:
    """Cut `data.test_fraction` off, then `data.val_fraction` of what is left, each class in proportion."""
    left = list(range(len(listed)))
    splits = ["train"] * len(listed)
    for split, fraction in (("test", data.test_fraction), ("val", data.val_fraction)):
        labels = [listed[place].label for place in left]
        cut = {left[n] for n in stratified_cut(labels, fraction=fraction, seed=f"{split}/{data.split_seed}")}
        for place in cut:
            splits[place] = split
        left = [place for place in left if place not in cut]
    return [replace(clip, split=split) for clip, split in zip(listed, splits, strict=True)]


def stratified_cut(labels: Sequence[str], *, fraction: float, seed: str) -> set[int]:
    """Places of `ceil(fraction * N)` of `N` labels, each class in proportion.

    What whole numbers leave over goes to the classes with the largest remainders, as in scikit-learn's
    `StratifiedShuffleSplit`. One of each class is always left.
    """
    sizes = Counter(labels)
    total = ceil(fraction * len(labels) - 1e-9)
    exact = {label: total * size / len(labels) for label, size in sizes.items()}
    counts = {label: min(floor(share + 1e-9), sizes[label] - 1) for label, share in exact.items()}
    generator = random.Random(seed)
    order = sorted(sizes)
    generator.shuffle(order)  # between equal remainders
    for label in sorted(order, key=lambda label: counts[label] - exact[label]):
        if sum(counts.values()) < total and counts[label] < sizes[label] - 1:
            counts[label] += 1
    cut: set[int] = set()
    for label in sorted(sizes):
        places = [place for place, other in enumerate(labels) if other == label]
        cut.update(generator.sample(places, counts[label]))
    return cut
