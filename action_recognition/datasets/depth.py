"""Depth sequences: runs of depth images of a subject's gesture, split by subject.

Two layouts. Folders, `<label>/<sequence>/<frames>`, where `data.source_pattern` finds the subject in the name of the
sequence's folder (without it each folder counts as a subject). Flat files, whose names `data.sequence_pattern` takes
apart: groups `subject`, `label`, `frame` and, where there is one, `sequence`; other files are passed over.
"""

import os
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from action_recognition.config import Config, DataConfig
from action_recognition.datasets.base import SourceNoun
from action_recognition.datasets.class_folders import class_folders
from action_recognition.datasets.images import ImageDataset, existing_folder
from action_recognition.datasets.records import ClipRecord, Manifest
from action_recognition.datasets.source_videos import unknown_sources_line
from action_recognition.datasets.splits import cut_by_source
from action_recognition.errors import DataError, VideoError, did_you_mean
from action_recognition.video.clip_files import STAR, frame_files, is_image, natural_key
from action_recognition.video.frames import FrameFormat
from action_recognition.video.image_sequence import read_image
from action_recognition.video.regular_files import size_bytes


@dataclass(frozen=True, kw_only=True)
class Run:
    """Frames that follow each other; `path` names them as `video.clip_files` reads it."""

    path: str
    label: str
    subject: str
    files: tuple[Path, ...]


class Depth(ImageDataset):
    """Sequences of depth images, 8 or 16 bits per value."""

    channels, bits = 1, (8, 16)
    source_noun = SourceNoun("subject", "subjects")
    renderer = "action_recognition.synthetic.depth:render_depth_set"
    where_to_get = (
        "no public copy is known; give data.archive=FILE|FOLDER, or point data.videos_dir at the frames; "
        "depth_demo is a set that needs no download"
    )

    def list_clips(self, config: Config) -> list[ClipRecord]:
        """The sequences below `data.videos_dir` with their splits.

        Raises:
            DataError: for a missing folder, no sequence, values of other than `clip.bits`, or unknown subjects.
        """
        data, root = config.data, existing_folder(config.data)
        flat = [path for path in root.iterdir() if is_image(path) and not path.name.startswith(".")]
        runs = list(_runs_of_names(flat, data) if flat else _runs_of_folders(root, data))
        sequences = [sequence for run in runs for sequence in cut_run(run, data.sequence_length)]
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
            f"{split} has sequences of subject {', '.join(sorted(shared))}, who is in train too: there is one subject, "
            "so the cut is by sequence, and accuracy on new people is not measured"
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
                yield Run(path=path, label=label.name, subject=_subject(folder.name, data), files=files)


def _subject(name: str, data: DataConfig) -> str:
    if data.source_pattern is None:
        return name
    match = re.search(data.source_pattern, name)
    if match is None or not match.groups():
        what = f"does not match {name}" if match is None else "has no group; put the subject's part in parentheses"
        raise DataError(f"data.source_pattern={data.source_pattern}: {what}")
    return match[1]


def _runs_of_names(files: Sequence[Path], data: DataConfig) -> Iterator[Run]:
    """Files whose names differ in nothing but the number of the frame are a run."""
    pattern = re.compile(data.sequence_pattern)
    runs: dict[str, list[Path]] = defaultdict(list)
    who: dict[str, tuple[str, str]] = {}
    for path in sorted(files, key=lambda path: natural_key(path.name)):
        if match := pattern.search(path.name):
            name = path.name[: match.start("frame")] + STAR + path.name[match.end("frame") :]
            runs[name].append(path)
            who[name] = match["label"], match["subject"]
    if not runs:
        example = min(files).name
        raise DataError(f"data.sequence_pattern={data.sequence_pattern}: matches no file (first: {example})")
    for name, frames in runs.items():
        label, subject = who[name]
        yield Run(path=name, label=label, subject=subject, files=tuple(frames))


def cut_run(run: Run, length: int | None) -> list[Run]:
    """Consecutive sequences of `length` frames, the last one with what is left; the run itself without a length."""
    if length is None or len(run.files) <= length:
        return [run]
    parts = ((first, min(first + length, len(run.files))) for first in range(0, len(run.files), length))
    return [replace(run, path=f"{run.path}[{a}:{b}]", files=run.files[a:b]) for a, b in parts]


def _check_bits(path: Path, bits: int) -> None:
    """Look at the one file: its header where it is a PNG, which says the bits per value in byte 24."""
    with path.open("rb") as file:
        head = file.read(25)
    if head.startswith(b"\x89PNG") and len(head) == 25:
        found = 16 if head[24] == 16 else 8
    else:
        try:
            found = 8 * read_image(path, FrameFormat(channels=1, bits=None)).itemsize
        except VideoError:
            return  # the sequence will be listed as unreadable
    if found != bits:
        raise DataError(
            f"{path}: {found} bits per value, clip.bits={bits}; give clip.bits={found}, with clip.mean and clip.std on "
            f"the scale 0-{2**found - 1}"
        )


def _listed(run: Run, root: Path, min_sequence: int) -> ClipRecord:
    count = len(run.files)
    short = f"{root / run.path}: {count} frames, fewer than data.min_sequence={min_sequence}"
    return ClipRecord(
        path=run.path,
        label=run.label,
        split="unused",
        source_video=run.subject,
        frames=count,
        size_bytes=sum(size_bytes(path) for path in run.files),
        error=short if count < min_sequence else "",
    )


def assign_splits(clips: Sequence[ClipRecord], data: DataConfig) -> list[ClipRecord]:
    """Test subjects, then validation subjects; by sequence where there is only one subject.

    `data.train_subjects` and `data.test_subjects` name them. Where one list is null, its subjects are all others;
    where both are, `data.test_fraction` of the sequences is cut off by subject. With both given, subjects that neither
    names are unused.

    Raises:
        DataError: for a subject that is not there.
    """
    subjects = sorted({clip.source_video for clip in clips}, key=natural_key)
    train, test = data.train_subjects, data.test_subjects
    for key, given in (("train", train), ("test", test)):
        for name in given or ():
            if name not in subjects:
                hint = did_you_mean(name, subjects) or f"; there are {', '.join(subjects)}"
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
    """Turn training clips into `into`, whole subjects where there are several."""
    usable = [clip for clip in clips if clip.split == "train" and not clip.error]
    if len({clip.source_video for clip in usable}) > 1:
        # One cut for all classes: a subject is new in all that it does, or in nothing.
        sources = {"": [clip.source_video for clip in usable]}
        chosen = cut_by_source(sources, fraction=fraction, seed=seed, purpose=into)[""]
        return [replace(c, split=into) if c.split == "train" and c.source_video in chosen else c for c in clips]
    by_label: dict[str, list[str]] = defaultdict(list)
    for clip in usable:
        by_label[clip.label].append(clip.path)
    cut = cut_by_source(by_label, fraction=fraction, seed=seed, purpose=into)
    return [replace(c, split=into) if c.split == "train" and c.path in cut.get(c.label, ()) else c for c in clips]
