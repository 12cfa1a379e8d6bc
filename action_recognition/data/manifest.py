"""The manifest: one row a clip, saying where it is, what it shows, which split it is in and what decoding found.

Rows come from three places. Names and folders give path, label, source and tags; split files or a cut by source
give the split; and going through each video once gives frames, rate, size and checksum. Only the last is slow, so
its results are kept in `manifest.csv` beside the data, or in `.cache/` where the data lies elsewhere.
"""

import csv
import hashlib
import io
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from action_recognition.config import DataConfig
from action_recognition.data.frames import clip_files, clip_md5, probe_clip
from action_recognition.data.regular_files import size_bytes
from action_recognition.data.sources import OFFICIAL_SOURCES, hmdb51
from action_recognition.data.sources.depth import list_sequences
from action_recognition.data.sources.folder import assign_folder_splits
from action_recognition.data.sources.layout import class_folders, list_videos
from action_recognition.data.sources.listed import ListedClip
from action_recognition.data.sources.official import OfficialSource
from action_recognition.data.sources.stills import list_stills
from action_recognition.data.splits import cut_by_source
from action_recognition.errors import DataError, VideoError
from action_recognition.files import replace_file
from action_recognition.stored_values import Number, OneOf, Rule, Text, Whole, check_values

# A file name is bytes; those that are not UTF-8 come back from the CSV as they went into it.
NAMES_AS_THEY_ARE = "surrogateescape"
SPLITS = ("train", "val", "test", "unused")
# Data sets of images: they list their clips and split them in one.
IMAGE_SOURCES: dict[str, Callable[[DataConfig], list[ListedClip]]] = {"stills": list_stills, "depth": list_sequences}
Progress = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True)
class ClipRecord:
    """One clip. `path` is relative to the manifest's `videos_dir`; `error` says why a clip cannot be used."""

    path: str
    label: str
    split: str
    source: str
    visible_body: str = ""
    camera: str = ""
    people: str = ""
    view: str = ""
    quality: str = ""
    frames: int = 0
    fps: float = 0.0
    width: int = 0
    height: int = 0
    size_bytes: int = 0
    md5: str = ""
    error: str = ""


# Paths and sources are parts of file names, which may be any bytes.
RECORD_RULES: dict[str, Rule] = {
    "label": Text(1000),
    "split": OneOf(SPLITS),
    "frames": Whole(0, 10**9),
    "fps": Number(0, 10**6),
    "width": Whole(0, 10**6),
    "height": Whole(0, 10**6),
    "size_bytes": Whole(0, 2**63),
    "md5": Text(32, may_be_empty=True),
}


@dataclass(frozen=True)
class Manifest:
    """The clips of a data set under one split.

    `class_names` is alphabetical; a label's number is its place there.
    """

    videos_dir: Path
    records: tuple[ClipRecord, ...]

    @cached_property
    def class_names(self) -> tuple[str, ...]:
        return tuple(sorted({record.label for record in self.records}))

    @cached_property
    def data_hash(self) -> str:
        """16 hex digits over what each clip is, what it is called, and which split it is in."""
        rows = sorted(f"{r.path}\t{r.label}\t{r.split}\t{r.md5}" for r in self.records)
        return hashlib.sha256("\n".join(rows).encode(errors=NAMES_AS_THEY_ARE)).hexdigest()[:16]

    def split(self, name: str, *, min_frames: int = 1) -> list[ClipRecord]:
        """Usable clips of one split: decodable, with at least `min_frames` frames."""
        return [r for r in self.records if r.split == name and not r.error and r.frames >= min_frames]

    def unusable(self, *, min_frames: int = 1) -> list[ClipRecord]:
        """Clips of any used split that training has to skip, with the reason in `error`."""
        short = f"fewer than {min_frames} frames"
        return [
            r if r.error else replace(r, error=f"{self.videos_dir / r.path}: {r.frames} frames, {short}")
            for r in self.records
            if r.split != "unused" and (r.error or r.frames < min_frames)
        ]

    def counts(self) -> Counter[str]:
        return Counter(record.split for record in self.records)

    def to_csv(self) -> bytes:
        text = io.StringIO()
        writer = csv.DictWriter(text, fieldnames=[field.name for field in fields(ClipRecord)], lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(record) for record in self.records)
        return text.getvalue().encode(errors=NAMES_AS_THEY_ARE)

    def write(self, path: Path) -> None:
        """Write the CSV in one step."""
        replace_file(path, self.to_csv())


def read_records(path: Path) -> list[ClipRecord]:
    """Read the rows of a manifest CSV.

    Raises:
        DataError: if a column is missing or a number is not one.
    """
    return parse_records(path.read_bytes(), origin=str(path))


def parse_records(content: bytes, *, origin: str) -> list[ClipRecord]:
    """Like `read_records`, from the content of a file that lies at `origin`."""
    kinds = {field.name: field.type for field in fields(ClipRecord)}
    again = "delete it and it is made again"
    try:
        text = content.decode(errors=NAMES_AS_THEY_ARE).removeprefix("\ufeff")
        rows = list(csv.DictReader(io.StringIO(text, newline=""), strict=True))
        if any(None in row or None in row.values() for row in rows):
            raise ValueError("a row with other columns than the first")
        values = [{name: kind(row[name]) for name, kind in kinds.items()} for row in rows]  # type: ignore[operator]
    except (KeyError, ValueError, TypeError, csv.Error) as error:
        raise DataError(f"{origin}: not a manifest ({repr(error)[:160]}); {again}") from None
    for number, row in enumerate(values, start=1):
        try:
            check_values(RECORD_RULES, row, origin=f"{origin}: clip {number}", error=DataError)
        except DataError as error:
            raise DataError(f"{error}; {again}") from None
    return [ClipRecord(**row) for row in values]


def build_manifest(data: DataConfig, *, progress: Progress | None = None) -> Manifest:
    """List the clips of a data set, assign splits, and decode what has not been decoded before.

    Args:
        progress: called with (done, total) while videos are decoded.

    Raises:
        DataError: on missing folders, a class without split file, or no clip at all.
    """
    videos_dir = Path(data.videos_dir)
    if data.kind in IMAGE_SOURCES:
        images = [ClipRecord(**asdict(clip)) for clip in IMAGE_SOURCES[data.kind](data)]
        return _probed_manifest(images, data, progress)
    official = OFFICIAL_SOURCES.get(data.kind)
    listed = [
        _named_record(video, label=folder.name, videos_dir=videos_dir, source=official or hmdb51)
        for folder in class_folders(videos_dir)
        for video in list_videos(folder)
    ]
    if not listed:
        raise DataError(f"data.videos_dir={videos_dir}: no videos in its class folders")
    return _probed_manifest(_cut_validation(_assign_splits(listed, data, official), data), data, progress)


def _probed_manifest(listed: Sequence[ClipRecord], data: DataConfig, progress: Progress | None) -> Manifest:
    videos_dir = Path(data.videos_dir)
    probed = _probe_all(listed, data=data, progress=progress)
    manifest = Manifest(videos_dir, tuple(probed))
    if not manifest.split("train"):
        under = f" under split {data.split}" if data.kind not in IMAGE_SOURCES else ""
        errors = [record.error for record in manifest.records if record.error]
        first = f" (first: {errors[0]})" if errors else ""
        raise DataError(f"{data.name}: no usable training clip in {videos_dir}{under}{first}")
    return manifest


def _named_record(video: Path, *, label: str, videos_dir: Path, source: OfficialSource) -> ClipRecord:
    name = source.parse_clip_name(video.stem, label=label)
    path = video.relative_to(videos_dir).as_posix()
    record = ClipRecord(path=path, label=label, split="unused", source=name.source, size_bytes=size_bytes(video))
    tags: dict[str, Any] = name.tags
    return replace(record, **tags)


def _assign_splits(
    records: Sequence[ClipRecord], data: DataConfig, official: OfficialSource | None
) -> Sequence[ClipRecord]:
    if official is None:
        return assign_folder_splits(records, data)
    if data.splits_dir is None:
        raise DataError(f"data={data.name}: data.splits_dir is not set; it names the folder of the split files")
    classes = sorted({record.label for record in records})
    split = official.read_split(Path(data.splits_dir), split=data.split, classes=classes)
    return [replace(r, split=split.get((r.label, Path(r.path).name), "unused")) for r in records]


def _cut_validation(records: Sequence[ClipRecord], data: DataConfig) -> list[ClipRecord]:
    sources: dict[str, list[str]] = {}
    for record in records:
        if record.split == "train":
            sources.setdefault(record.label, []).append(record.source)
    cut = cut_by_source(sources, fraction=data.val_fraction, seed=data.split_seed, purpose="val")
    return [replace(r, split="val") if r.split == "train" and r.source in cut[r.label] else r for r in records]


def _cache_paths(data: DataConfig) -> tuple[Path, ...]:
    """Where earlier probes may lie; the last one is written to. Data under `data.dir` is never written into."""
    key = hashlib.sha256(str(Path(data.videos_dir).resolve()).encode(errors=NAMES_AS_THEY_ARE)).hexdigest()[:12]
    return Path(data.dir) / "manifest.csv", Path(".cache/manifests") / f"{data.name}-{key}.csv"


def _probe_all(records: Sequence[ClipRecord], *, data: DataConfig, progress: Progress | None) -> list[ClipRecord]:
    videos_dir, caches, channels = Path(data.videos_dir), _cache_paths(data), len(data.mean)
    known = {(r.path, r.size_bytes): r for cache in caches for r in _still_true(cache, videos_dir)}
    # What has an error already, such as too few frames, is not used, so not decoded.
    missing = [r for r in records if not r.error and (r.path, r.size_bytes) not in known]
    # Threads: decoding and hashing both leave the interpreter lock.
    with ThreadPoolExecutor() as pool:
        for done, record in enumerate(pool.map(lambda r: probed(r, videos_dir, channels=channels), missing), 1):
            known[record.path, record.size_bytes] = record
            if progress:
                progress(done, len(missing))
    found = [r if r.error else _with_probe(r, known[r.path, r.size_bytes]) for r in records]
    if missing:
        Manifest(videos_dir, tuple(found)).write(caches[-1])
    return found


def _still_true(cache: Path, videos_dir: Path) -> list[ClipRecord]:
    """Rows of an earlier manifest whose video has not been written since."""
    if not cache.exists():
        return []
    written = cache.stat().st_mtime
    kept = [(record, clip_files(videos_dir / record.path)) for record in read_records(cache) if record.md5]
    return [record for record, files in kept if files and all(file.stat().st_mtime <= written for file in files)]


def _with_probe(record: ClipRecord, probe_of: ClipRecord) -> ClipRecord:
    names = ("frames", "fps", "width", "height", "md5", "error")
    return replace(record, **{name: getattr(probe_of, name) for name in names})


def probed(record: ClipRecord, videos_dir: Path, *, channels: int = 3) -> ClipRecord:
    """Decode and hash one clip; what stops it from being decoded goes into `error`."""
    path = videos_dir / record.path
    md5 = ""
    try:
        md5 = clip_md5(path)
        info = probe_clip(path, channels=channels)
    except VideoError as error:
        return replace(record, md5=md5, error=str(error))
    return replace(record, md5=md5, frames=info.frames, fps=info.fps, width=info.width, height=info.height)


def source_groups(records: Iterable[ClipRecord]) -> set[tuple[str, str]]:
    """The (class, source video) pairs of some clips: what must not stand on both sides of a split."""
    return {(record.label, record.source) for record in records}


def group_digests(records: Iterable[ClipRecord]) -> list[str]:
    """Short hashes of (class, source video) pairs, for evaluation to recognise what a model has seen."""
    names = (f"{label}/{source}".encode(errors=NAMES_AS_THEY_ARE) for label, source in source_groups(records))
    return sorted(hashlib.sha256(name).hexdigest()[:12] for name in names)
