"""Depth sequences: depth images of a subject's gesture, split by subject.

Two layouts. Folders, `<label>/<sequence>/<frames>`, where `data.source_pattern` finds the subject in the name of the
sequence's folder (without it each folder counts as a subject). Flat files, whose names match `data.sequence_pattern`
with the groups `subject`, `label` and `frame`; other files are ignored.
"""

import os
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from action_recognition.config import Config, DataConfig
from action_recognition.datasets.class_folders import class_folders
from action_recognition.datasets.images import ImageDataset, existing_folder
from action_recognition.datasets.records import ClipRecord, Manifest
from action_recognition.datasets.source_videos import unknown_sources_line
from action_recognition.datasets.splits import split_off
from action_recognition.errors import DataError, VideoError, did_you_mean
from action_recognition.video.clip_files import STAR, frame_files, is_image, natural_key
from action_recognition.video.frames import FrameFormat
from action_recognition.video.image_sequence import read_image
from action_recognition.video.regular_files import size_bytes


class Run(NamedTuple):
    """Consecutive frames; `path` names them for `video.clip_files`."""

    path: str
    label: str
    subject: str
    files: tuple[Path, ...]


class Depth(ImageDataset):
    """Sequences of depth images, 8 or 16 bits per value."""

    channels, bits = 1, (8, 16)
    source_noun = "subject"
    renderer = "action_recognition.synthetic.depth:render_depth_set"
    where_to_get = (
        "no public copy is known; give data.archive=FILE|FOLDER, or point data.videos_dir at the frames; "
        "depth_demo is a set that needs no download"
    )

    def list_clips(self, config: Config) -> list[ClipRecord]:
        """The sequences below `data.videos_dir` with their splits.

        Raises:
            DataError: for a missing folder, no sequence, other bits per value than `clip.bits`, or unknown subjects.
        """
        data, root = config.data, existing_folder(config.data)
        flat = [path for path in root.iterdir() if is_image(path) and not path.name.startswith(".")]
        runs = _runs_of_names(flat, data) if flat else _runs_of_folders(root, data)
        sequences = [sequence for run in runs for sequence in _cut_run(run, data.sequence_length)]
        if not sequences:
            raise DataError(f"data.videos_dir={root}: no images; expected <label>/<sequence>/<frames> or flat files")
        for sequence in sequences:
            _check_bits(sequence.files[0], config.clip.bits)
        return assign_splits([_listed(sequence, root, data.min_sequence) for sequence in sequences], data)

    def unknown_sources(self, records: Sequence[ClipRecord], data: DataConfig) -> str:
        # In flat files, data.sequence_pattern has found the subjects.
        if data.source_pattern is not None or any(STAR in record.path for record in records):
            return ""
        return unknown_sources_line(records, "sequence", self.source_noun)

    def split_remarks(self, manifest: Manifest, data: DataConfig) -> list[str]:
        if unknown := self.unknown_sources(manifest.records, data):
            return [unknown]
        subjects = {split: {r.source_video for r in manifest.split(split)} for split in ("train", "val", "test")}
        return [
            f"{split} has sequences of subject {', '.join(sorted(shared))}, who is in train too: with one subject the "
            "split is by sequence, so accuracy on new people is not measured"
            for split in ("val", "test")
            if (shared := subjects["train"] & subjects[split])
        ]

    def folder_in_archive(self, data: DataConfig, files: Path, images: Sequence[Path]) -> Path:  # noqa: ARG002
        return Path(os.path.commonpath([path.parent for path in images]))


def _runs_of_folders(root: Path, data: DataConfig) -> Iterator[Run]:
    for label in class_folders(root):
        for folder in sorted((path for path in label.iterdir() if path.is_dir()), key=lambda p: natural_key(p.name)):
            if not folder.name.startswith(".") and (files := frame_files(folder)):
                path = folder.relative_to(root).as_posix()
                yield Run(path, label.name, _subject(folder.name, data), files)


def _subject(name: str, data: DataConfig) -> str:
    if data.source_pattern is None:
        return name
    match = re.search(data.source_pattern, name)
    if match is None or not match.groups():
        what = f"does not match {name}" if match is None else "has no group; put the subject's part in parentheses"
        raise DataError(f"data.source_pattern={data.source_pattern}: {what}")
    return match[1]


def _runs_of_names(files: Sequence[Path], data: DataConfig) -> Iterator[Run]:
    """Files whose names differ only in the frame number make a run."""
    runs: dict[tuple[str, str, str], list[Path]] = defaultdict(list)
    for path in sorted(files, key=lambda path: natural_key(path.name)):
        if match := re.search(data.sequence_pattern, path.name):
            name = path.name[: match.start("frame")] + STAR + path.name[match.end("frame") :]
            runs[name, match["label"], match["subject"]].append(path)
    if not runs:
        example = min(files).name
        raise DataError(f"data.sequence_pattern={data.sequence_pattern}: matches no file (first: {example})")
    for key, frames in runs.items():
        yield Run(*key, tuple(frames))


def _cut_run(run: Run, length: int | None) -> list[Run]:
    """Sequences of `length` frames, the last one with the rest; the run itself if there is no length."""
    if length is None or len(run.files) <= length:
        return [run]
    parts = ((first, min(first + length, len(run.files))) for first in range(0, len(run.files), length))
    return [run._replace(path=f"{run.path}[{a}:{b}]", files=run.files[a:b]) for a, b in parts]


def _check_bits(path: Path, bits: int) -> None:
    """Refuse a first frame of other bits. The header of a PNG has the bits per value in byte 24."""
    with path.open("rb") as file:
        head = file.read(25)
    if head.startswith(b"\x89PNG") and len(head) == 25:
        found = 16 if head[24] == 16 else 8
    else:
        try:
            found = 8 * read_image(path, FrameFormat(channels=1, bits=None)).itemsize
        except VideoError:
            return  # decoding will list the sequence as unreadable
    if found != bits:
        raise DataError(
            f"{path}: {found} bits per value, clip.bits={bits}; give clip.bits={found}, with clip.mean and clip.std on "
            f"the scale 0-{2**found - 1}"
        )


def _listed(run: Run, root: Path, min_sequence: int) -> ClipRecord:
    count, size = len(run.files), sum(map(size_bytes, run.files))
    short = f"{root / run.path}: {count} frames, fewer than data.min_sequence={min_sequence}"
    record = ClipRecord(path=run.path, label=run.label, split="unused", source_video=run.subject, size_bytes=size)
    return replace(record, frames=count, error=short if count < min_sequence else "")


def assign_splits(clips: Sequence[ClipRecord], data: DataConfig) -> list[ClipRecord]:
    """Cut off test subjects, then validation subjects; sequences if there is only one subject.

    `data.train_subjects` and `data.test_subjects` name them. If one list is null, it has all other subjects. If both
    are null, `data.test_fraction` of the sequences is cut off by subject. Subjects that neither list names are unused.

    Raises:
        DataError: for a subject that does not exist.
    """
    subjects = sorted({clip.source_video for clip in clips}, key=natural_key)
    train, test = data.train_subjects, data.test_subjects
    for key, given in (("train", train), ("test", test)):
        for name in given or ():
            if name not in subjects:
                hint = did_you_mean(name, subjects) or f"; expected one of {', '.join(subjects)}"
                raise DataError(f"data.{key}_subjects: no subject {name!r} in {data.videos_dir}{hint}")
    if train is None and test is None:
        split = _cut([replace(clip, split="train") for clip in clips], data.test_fraction, "test", data.split_seed)
    else:
        tested = set(test) if test is not None else set(subjects) - set(train or ())
        trained = set(train) if train is not None else set(subjects) - tested
        places = dict.fromkeys(tested, "test") | dict.fromkeys(trained, "train")
        split = [replace(clip, split=places.get(clip.source_video, "unused")) for clip in clips]
    return _cut(split, data.val_fraction, "val", data.split_seed)


def _cut(clips: Sequence[ClipRecord], fraction: float, into: str, seed: int) -> list[ClipRecord]:
    """Move training clips to `into`: whole subjects, over all classes together, or sequences of a single subject."""
    several = len({clip.source_video for clip in clips if clip.split == "train" and not clip.error}) > 1
    group = (lambda clip: ("", clip.source_video)) if several else (lambda clip: (clip.label, clip.path))
    return split_off(clips, into=into, fraction=fraction, seed=seed, group=group)
