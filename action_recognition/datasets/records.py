"""Clip records, the manifest that holds them, and its CSV with one row per clip."""

import csv
import hashlib
import io
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import numpy as np

from action_recognition.errors import DataError
from action_recognition.utils.files import replace_file
from action_recognition.utils.rules import Choice, Range, Text, split_rules
from action_recognition.utils.stored_values import check_values
from action_recognition.video.clip_sampling import Indices
from action_recognition.video.frame_times import decode_times, frames_on_grid

RENAMED = {"source": "source_video"}  # columns of older manifests and shards
ADDED = {"frame_ms": ""}  # columns that older ones lack; their frames count as evenly spaced
SAME_RATE = 0.1  # of a frame: what a clip's last frame may be off the grid
# Hours of unevenly spaced frames; of every other column, `csv`'s own limit.
MAX_FIELD, MAX_TIMES = 131_072, 16_000_000
NAMES_AS_THEY_ARE = "surrogateescape"  # file names are bytes, which need not be UTF-8
SPLITS = ("train", "val", "test", "unused")


@dataclass(frozen=True, kw_only=True)
class ClipRecord:
    """One clip. `path` is relative to the manifest's `videos_dir`; `error` says why a clip cannot be used.

    Paths and source videos have no rule, because file names may be any bytes. `fps` and `frame_ms` are those of
    `ClipMetadata`.
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
    frame_ms: str = ""

    def frames_on_grid(self, fps: float) -> Indices | None:
        """`[M]`: the frame that counts at each place of the grid that clips are cut on, `fps` places per second.

        None if the places are the frames themselves: at that rate, or where the grid or the clip has no rate (0.0).
        """
        if not (fps and self.fps and self.frames):
            return None
        if self.frame_ms:
            seconds_N = decode_times(self.frame_ms)
        elif abs(self.fps - fps) * self.frames < SAME_RATE * fps:
            return None
        else:
            seconds_N = np.arange(self.frames) / self.fps
        return frames_on_grid(seconds_N, fps=fps)

    def grid_places(self, fps: float) -> int:
        """How many frames the clip has at `fps` frames per second."""
        places = self.frames_on_grid(fps)
        return self.frames if places is None else len(places)


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

    @property
    def usual_fps(self) -> float:
        """Frames per second of most training clips; 0.0 if they have no rate."""
        rates = Counter(round(record.fps, 3) for record in self.records if record.split == "train" and not record.error)
        return min(rates, key=lambda rate: (-rates[rate], rate), default=0.0)

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


def has_times(path: Path) -> bool:
    """Whether the manifest was written by a version that measures when each frame is shown."""
    with path.open("rb") as file:
        return b"frame_ms" in file.readline(10_000)


def parse_records(content: bytes, *, origin: str) -> list[ClipRecord]:
    """Like `read_records`, from the content of the file at `origin`."""
    kinds = {name: split_rules(hint)[0] for name, hint in get_type_hints(ClipRecord, include_extras=True).items()}
    again = "delete it, and the next command builds it again"
    try:
        text = content.decode(errors=NAMES_AS_THEY_ARE).removeprefix("\ufeff")
        reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
        before = csv.field_size_limit(MAX_TIMES)
        try:
            reader.fieldnames = [RENAMED.get(name, name) for name in reader.fieldnames or ()]
            rows = [ADDED | row for row in reader]
        finally:
            csv.field_size_limit(before)
        if any(None in row or None in row.values() for row in rows):
            raise ValueError("a row with more or fewer columns than the first")
        if any(len(row[name]) > MAX_FIELD for row in rows for name in kinds if name not in ADDED):
            raise ValueError(f"a field of more than {MAX_FIELD} characters")
        values = [{name: kind(row[name]) for name, kind in kinds.items()} for row in rows]
    except (KeyError, ValueError, TypeError, csv.Error) as error:
        raise DataError(f"{origin}: not a manifest ({repr(error)[:160]}); {again}") from None
    for number, row in enumerate(values, start=1):
        try:
            check_values(ClipRecord, row, origin=f"{origin}: clip {number}", error=DataError)
            _check_times(row, origin=f"{origin}: clip {number}")
        except DataError as error:
            raise DataError(f"{error}; {again}") from None
    return [ClipRecord(**row) for row in values]


def _check_times(row: dict[str, Any], *, origin: str) -> None:
    try:
        fits = not row["frame_ms"] or len(decode_times(row["frame_ms"])) == row["frames"]
    except ValueError:
        fits = False
    if not fits:
        raise DataError(f"{origin}: frame_ms={row['frame_ms'][:40]!r}: expected {row['frames'] - 1} whole numbers")


def source_groups(records: Iterable[ClipRecord]) -> set[tuple[str, str]]:
    """The (class, source video) pairs of clips, which must not be on both sides of a split."""
    return {(record.label, record.source_video) for record in records}


def group_digests(records: Iterable[ClipRecord]) -> list[str]:
    """Short hashes of (class, source video) pairs, so that evaluation recognises what a model has seen."""
    names = (f"{label}/{source}".encode(errors=NAMES_AS_THEY_ARE) for label, source in source_groups(records))
    return sorted(hashlib.sha256(name).hexdigest()[:12] for name in names)
