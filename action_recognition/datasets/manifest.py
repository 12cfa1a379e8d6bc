"""The manifest: one row a clip, saying where it is, what it shows, which split it is in and what decoding found.

Rows come from three places. Names and folders give path, label, source and tags; split files or a cut by source
give the split; and going through each video once gives frames, rate, size and checksum. Only the last is slow, so
its results are kept in `manifest.csv` beside the data, or in `.cache/` where the data lies elsewhere.
"""

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from action_recognition.config import Config, DataConfig
from action_recognition.datasets import OFFICIAL_SOURCES, hmdb51
from action_recognition.datasets.depth import list_sequences
from action_recognition.datasets.folder import assign_folder_splits
from action_recognition.datasets.layout import class_folders, list_videos
from action_recognition.datasets.listed import ListedClip
from action_recognition.datasets.official import OfficialSource
from action_recognition.datasets.records import NAMES_AS_THEY_ARE, ClipRecord, Manifest, read_records
from action_recognition.datasets.splits import cut_by_source
from action_recognition.datasets.stills import list_stills
from action_recognition.errors import DataError, VideoError
from action_recognition.video.clip_files import clip_files, clip_md5, probe_clip
from action_recognition.video.regular_files import size_bytes

# Data sets of images: they list their clips and split them in one.
IMAGE_SOURCES: dict[str, Callable[[Config], list[ListedClip]]] = {"stills": list_stills, "depth": list_sequences}
Progress = Callable[[int, int], None]


def build_manifest(config: Config, *, progress: Progress | None = None) -> Manifest:
    """List the clips of a data set, assign splits, and decode what has not been decoded before.

    Args:
        progress: called with (done, total) while videos are decoded.

    Raises:
        DataError: on missing folders, a class without split file, or no clip at all.
    """
    data, videos_dir = config.data, Path(config.data.videos_dir)
    if data.kind in IMAGE_SOURCES:
        images = [ClipRecord(**asdict(clip)) for clip in IMAGE_SOURCES[data.kind](config)]
        return _probed_manifest(images, config, progress)
    official = OFFICIAL_SOURCES.get(data.kind)
    listed = [
        _named_record(video, label=folder.name, videos_dir=videos_dir, source=official or hmdb51)
        for folder in class_folders(videos_dir)
        for video in list_videos(folder)
    ]
    if not listed:
        raise DataError(f"data.videos_dir={videos_dir}: no videos in its class folders")
    return _probed_manifest(_cut_validation(_assign_splits(listed, data, official), data), config, progress)


def _probed_manifest(listed: Sequence[ClipRecord], config: Config, progress: Progress | None) -> Manifest:
    data, videos_dir = config.data, Path(config.data.videos_dir)
    probed = _probe_all(listed, config=config, progress=progress)
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
    record = ClipRecord(
        path=path, label=label, split="unused", source_video=name.source_video, size_bytes=size_bytes(video)
    )
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
            sources.setdefault(record.label, []).append(record.source_video)
    cut = cut_by_source(sources, fraction=data.val_fraction, seed=data.split_seed, purpose="val")
    return [replace(r, split="val") if r.split == "train" and r.source_video in cut[r.label] else r for r in records]


def _cache_paths(data: DataConfig) -> tuple[Path, ...]:
    """Where earlier probes may lie; the last one is written to. Data under `data.dir` is never written into."""
    key = hashlib.sha256(str(Path(data.videos_dir).resolve()).encode(errors=NAMES_AS_THEY_ARE)).hexdigest()[:12]
    return Path(data.dir) / "manifest.csv", Path(".cache/manifests") / f"{data.name}-{key}.csv"


def _probe_all(records: Sequence[ClipRecord], *, config: Config, progress: Progress | None) -> list[ClipRecord]:
    videos_dir, caches = Path(config.data.videos_dir), _cache_paths(config.data)
    channels = config.clip.channels
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
