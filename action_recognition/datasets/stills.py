"""Stills: a folder of images and a CSV of `filename` and `label`, as in Kaggle's Human Action Recognition.

The split is stratified by class. Nothing tells which images come from one photograph or photographer, so each counts
as its own source and near duplicates may be on both sides.
"""

import csv
import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from action_recognition.config import Config, DataConfig
from action_recognition.datasets.images import ImageDataset, existing_folder
from action_recognition.datasets.records import ClipRecord
from action_recognition.datasets.splits import stratified_cut
from action_recognition.datasets.text_files import read_text
from action_recognition.errors import DataError
from action_recognition.utils.files import replace_file
from action_recognition.utils.rules import Text
from action_recognition.video.regular_files import size_bytes

COLUMNS = ("filename", "label")
VALUE = Text(1000)


class Stills(ImageDataset):
    """Still images that `data.labels_csv` names; each is a clip of one frame."""

    source_noun = "image"
    renderer = "action_recognition.synthetic.stills:render_stills_set"
    where_to_get = (
        "Kaggle's set needs a login: "
        "https://www.kaggle.com/datasets/meetnagadia/human-action-recognition-har-dataset; "
        "then data.archive=FILE|FOLDER, or data.videos_dir=FOLDER data.labels_csv=FILE; "
        "stills_demo is a set that needs no download"
    )

    def list_clips(self, config: Config) -> list[ClipRecord]:
        """One clip per image that the CSV names; probing finds those that are missing.

        Raises:
            DataError: without CSV or folder, on a row without label, or an image with two labels.
        """
        images_dir = existing_folder(config.data)
        labels = read_labels(labels_csv(config.data))
        sizes = {name: size_bytes(images_dir / name) for name in labels}
        clips = [
            ClipRecord(path=name, label=label, split="train", source_video=name, size_bytes=sizes[name])
            for name, label in labels.items()
        ]
        return stratified_splits(clips, config.data)

    def unknown_sources(self, records: Sequence[ClipRecord], data: DataConfig) -> str:  # noqa: ARG002
        return (
            f"sources are not known: each of the {len(records)} images counts as its own source, so images of one "
            "photograph or person may be on both sides of the split, and scores may be too good"
        )

    def folder_in_archive(self, data: DataConfig, files: Path, images: Sequence[Path]) -> Path:
        """Put the CSV into place, and find the folder with the most images that it names.

        Kaggle's test images have no labels, but some of the same names.
        """
        target = labels_csv(data)
        found = sorted(files.rglob(target.name))
        if len(found) != 1:
            raise DataError(f"data.archive={data.archive}: {len(found)} files {target.name} in it, expected one")
        labels = read_labels(found[0])
        known = Counter(path.parent for path in images if path.name in labels)
        if not known:
            raise DataError(f"data.archive={data.archive}: has none of the images that {target.name} names")
        if not target.exists():
            replace_file(target, found[0].read_bytes())
        return known.most_common(1)[0][0]


def labels_csv(data: DataConfig) -> Path:
    """`data.labels_csv`; raises `DataError` if it is not set."""
    if data.labels_csv is None:
        raise DataError(f"data={data.name}: data.labels_csv is not set; it names the CSV of filename and label")
    return Path(data.labels_csv)


def read_labels(path: Path) -> dict[str, str]:
    """`{file name: label}` in the order of the rows.

    Raises:
        DataError: if the file, a column or a value is missing, or an image has two labels.
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


def stratified_splits(clips: list[ClipRecord], data: DataConfig) -> list[ClipRecord]:
    """Cut off `data.test_fraction`, then `data.val_fraction` of what is left, each class in proportion."""
    for split, fraction in (("test", data.test_fraction), ("val", data.val_fraction)):
        left = [place for place, clip in enumerate(clips) if clip.split == "train"]
        labels = [clips[place].label for place in left]
        cut = {left[n] for n in stratified_cut(labels, fraction=fraction, seed=f"{split}/{data.split_seed}")}
        clips = [replace(clip, split=split) if place in cut else clip for place, clip in enumerate(clips)]
    return clips
