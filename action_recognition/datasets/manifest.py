"""Building the manifest: the data set lists its clips, and decoding each of them once gives frames, rate and checksum.

Only decoding is slow, so its results are kept in `manifest.csv` beside the data, or in `.cache/` if the data is outside
of `data.dir`.
"""

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path

from action_recognition.config import Config, DataConfig
from action_recognition.datasets import check_dataset
from action_recognition.datasets.records import NAMES_AS_THEY_ARE, ClipRecord, Manifest, has_times, read_records
from action_recognition.errors import DataError, VideoError
from action_recognition.video.clip_files import clip_files, clip_md5, open_clip
from action_recognition.video.frames import FrameFormat

Progress = Callable[[int, int], None]


def build_manifest(config: Config, *, progress: Progress | None = None) -> Manifest:
    """List the clips of a data set with their splits, and decode what has not been decoded before.

    Args:
        progress: called with (done, total) while videos are decoded.

    Raises:
        ConfigError: if the configuration does not suit the data set.
        DataError: for missing folders, a class without split file, or no usable training clip.
    """
    dataset, data = check_dataset(config), config.data
    manifest = _probe_all(dataset.list_clips(config), config=config, progress=progress)
    if not manifest.split("train"):
        under = f" under split {data.split}" if dataset.is_video else ""
        first = next((f" (first: {record.error})" for record in manifest.records if record.error), "")
        raise DataError(f"{data.name}: no usable training clip in {data.videos_dir}{under}{first}")
    return manifest


def _cache_paths(data: DataConfig) -> tuple[Path, ...]:
    """Files that may hold earlier probes; the last one is written, because data is never written into."""
    key = hashlib.sha256(str(Path(data.videos_dir).resolve()).encode(errors=NAMES_AS_THEY_ARE)).hexdigest()[:12]
    return Path(data.dir) / "manifest.csv", Path(".cache/manifests") / f"{data.name}-{key}.csv"


def _probe_all(records: Sequence[ClipRecord], *, config: Config, progress: Progress | None) -> Manifest:
    videos_dir, caches, channels = Path(config.data.videos_dir), _cache_paths(config.data), config.clip.channels
    known = {(r.path, r.size_bytes): r for cache in caches for r in _still_true(cache, videos_dir)}
    # A clip that the listing found unusable, such as one with too few frames, is not decoded.
    missing = [r for r in records if not r.error and (r.path, r.size_bytes) not in known]
    # Threads, because decoding and hashing both release the interpreter lock.
    with ThreadPoolExecutor() as pool:
        for done, record in enumerate(pool.map(lambda r: probed(r, videos_dir, channels=channels), missing), 1):
            known[record.path, record.size_bytes] = record
            if progress:
                progress(done, len(missing))
    names = ("frames", "fps", "frame_ms", "width", "height", "md5", "error")
    found = (
        r if r.error else replace(r, **{name: getattr(known[r.path, r.size_bytes], name) for name in names})
        for r in records
    )
    manifest = Manifest(videos_dir, tuple(found))
    if missing:
        manifest.write(caches[-1])
    return manifest


def _still_true(cache: Path, videos_dir: Path) -> list[ClipRecord]:
    """Rows of an earlier manifest whose files have not changed since; none of one that has no times of frames."""
    if not cache.exists() or not has_times(cache):
        return []
    written = cache.stat().st_mtime
    kept = [(record, clip_files(videos_dir / record.path)) for record in read_records(cache) if record.md5]
    return [record for record, files in kept if files and all(file.stat().st_mtime <= written for file in files)]


def probed(record: ClipRecord, videos_dir: Path, *, channels: int = 3) -> ClipRecord:
    """Decode and hash one clip; `error` says why if that fails."""
    path, md5 = videos_dir / record.path, ""
    try:
        md5 = clip_md5(path)
        with open_clip(path, FrameFormat(channels=channels, bits=None)) as clip:
            found = clip.probe()
    except VideoError as error:
        return replace(record, md5=md5, error=str(error))
    return replace(record, md5=md5, **asdict(found))
