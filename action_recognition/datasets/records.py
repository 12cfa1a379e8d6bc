"""Clip records, the manifest that holds them, and its CSV with one row per clip."""

import csv
import hashlib
import io
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Annotated, get_type_hints

from action_recognition.errors import DataError
from action_recognition.utils.files import replace_file
from action_recognition.utils.rules import Choice, Range, Text, split_rules
from action_recognition.utils.stored_values import check_values

RENAMED = {"source": "source_video"}  # columns of older manifests and shards
NAMES_AS_THEY_ARE = "surrogateescape"  # file names are bytes, which need not be UTF-8
SPLITS = ("train", "val", "test", "unused")


@dataclass(frozen=True, kw_only=True)
class ClipRecord:
    """One clip. `path` is relative to the manifest's `videos_dir`; `error` says why a clip cannot be used.

    Paths and source videos have no rule, because file names may be any bytes.
    """

    path: str
    label: Annotated[str, Text(1000)]
    split: Annotated[str, Choice(*SPLITS)]
    source_video: str
    visible_body: str = ""
    camera: str = ""
    people: str = ""
    view: str = ""
    quality: str = ""
    frames: Annotated[int, Range(0, 10**9)] = 0
    fps: Annotated[float, Range(0, 10**6)] = 0.0
    width: Annotated[int, Range(0, 10**6)] = 0
    height: Annotated[int, Range(0, 10**6)] = 0
    size_bytes: Annotated[int, Range(0, 2**63)] = 0
    md5: Annotated[str, Text(32, may_be_empty=True)] = ""
    error: str = ""


@dataclass(frozen=True)
class Manifest:
    """The clips of a data set under one split. A label's number is its index in `class_names`."""

    videos_dir: Path
    records: tuple[ClipRecord, ...]

    @cached_property
    def class_names(self) -> tuple[str, ...]:
        return tuple(sorted({record.label for record in self.records}))

    @cached_property
    def data_hash(self) -> str:
        """16 hex digits over path, label, split and content of each clip."""
        rows = sorted(f"{r.path}\t{r.label}\t{r.split}\t{r.md5}" for r in self.records)
        return hashlib.sha256("\n".join(rows).encode(errors=NAMES_AS_THEY_ARE)).hexdigest()[:16]

    def split(self, name: str, *, min_frames: int = 1) -> list[ClipRecord]:
        """Decodable clips of one split with at least `min_frames` frames."""
        return [r for r in self.records if r.split == name and not r.error and r.frames >= min_frames]

    def unusable(self, *, min_frames: int = 1) -> list[ClipRecord]:
        """Clips that training has to skip, with the reason in `error`."""
        return [
            replace(r, error=r.error or f"{self.videos_dir / r.path}: {r.frames} frames, fewer than {min_frames}")
            for r in self.records
            if r.split != "unused" and (r.error or r.frames < min_frames)
        ]

    def counts(self) -> Counter[str]:
        return Counter(record.split for record in self.records)

    def to_csv(self) -> bytes:
        text = io.StringIO()
        writer = csv.DictWriter(text, [field.name for field in fields(ClipRecord)], lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(record) for record in self.records)
        return text.getvalue().encode(errors=NAMES_AS_THEY_ARE)

    def write(self, path: Path) -> None:
        replace_file(path, self.to_csv())


def read_records(path: Path) -> list[ClipRecord]:
    """Rows of a manifest CSV; raises `DataError` if a column is missing or a value is not allowed."""
    return parse_records(path.read_bytes(), origin=str(path))


def parse_records(content: bytes, *, origin: str) -> list[ClipRecord]:
    """Like `read_records`, from the content of the file at `origin`."""
    kinds = {name: split_rules(hint)[0] for name, hint in get_type_hints(ClipRecord, include_extras=True).items()}
    again = "delete it, and the next command builds it again"
    try:
        text = content.decode(errors=NAMES_AS_THEY_ARE).removeprefix("\ufeff")
        reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
        reader.fieldnames = [RENAMED.get(name, name) for name in reader.fieldnames or ()]
        rows = list(reader)
        if any(None in row or None in row.values() for row in rows):
            raise ValueError("a row with more or fewer columns than the first")
        values = [{name: kind(row[name]) for name, kind in kinds.items()} for row in rows]
    except (KeyError, ValueError, TypeError, csv.Error) as error:
        raise DataError(f"{origin}: not a manifest ({repr(error)[:160]}); {again}") from None
    for number, row in enumerate(values, start=1):
        try:
            check_values(ClipRecord, row, origin=f"{origin}: clip {number}", error=DataError)
        except DataError as error:
            raise DataError(f"{error}; {again}") from None
    return [ClipRecord(**row) for row in values]


def source_groups(records: Iterable[ClipRecord]) -> set[tuple[str, str]]:
    """The (class, source video) pairs of clips, which must not be on both sides of a split."""
    return {(record.label, record.source_video) for record in records}


def group_digests(records: Iterable[ClipRecord]) -> list[str]:
    """Short hashes of (class, source video) pairs, so that evaluation recognises what a model has seen."""
    names = (f"{label}/{source}".encode(errors=NAMES_AS_THEY_ARE) for label, source in source_groups(records))
    return sorted(hashlib.sha256(name).hexdigest()[:12] for name in names)
