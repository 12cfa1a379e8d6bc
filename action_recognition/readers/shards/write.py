"""Writing a folder of shards: tars, manifest and index, all of it or nothing."""

import hashlib
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import BinaryIO

from action_recognition.contract import ClipContract
from action_recognition.datasets.manifest import Progress
from action_recognition.datasets.records import ClipRecord, Manifest
from action_recognition.errors import DataError
from action_recognition.readers.shards.index import INDEX_FILE, MANIFEST_FILE, SHARD_SPLITS, Shard, ShardIndex
from action_recognition.readers.shards.shard_set import in_shard_order, is_exported
from action_recognition.readers.shards.tar_clip import END_OF_TAR, sample_bytes
from action_recognition.utils.folders import replacing_folder
from action_recognition.utils.locks import locked

HELD_CLIPS = 64
ReadJpegs = Callable[[ClipRecord], Sequence[bytes]]


def write_shards(
    manifest: Manifest,
    contract: ClipContract,
    directory: Path,
    *,
    name: str,
    jpeg_quality: int,
    max_bytes: int,
    read_jpegs: ReadJpegs,
    progress: Progress | None = None,
) -> ShardIndex:
    """Write the clips of a manifest to `directory`, which appears when all of it is written.

    The same clips give the same bytes. Equal shards in `directory` are left alone; others are replaced at the end.

    Args:
        max_bytes: the limit for one tar; one with a single clip may be larger.
        read_jpegs: gives all frames of a clip, resized and compressed.

    Raises:
        DataError: if `directory` holds something other than shards, or another process is writing it.
        VideoError: if a clip cannot be decoded.
    """
    ordered = Manifest(manifest.videos_dir, tuple(in_shard_order(manifest.records)))
    rows = ordered.to_csv()
    planned = ShardIndex(
        name=name,
        contract=contract,
        jpeg_quality=jpeg_quality,
        max_bytes=max_bytes,
        manifest_sha256=hashlib.sha256(rows).hexdigest(),
        shards=(),
    )
    lock_path = directory.with_name(f".{directory.name}.lock.tmp")
    with locked(lock_path, work=f"export-shards into {directory}"):
        there = whole_index(directory)
        if there is not None and replace(there, shards=()) == planned:
            return there
        with replacing_folder(directory, may_replace=is_shard_file) as partial:
            (partial / MANIFEST_FILE).write_bytes(rows)
            index = replace(planned, shards=tuple(_write_tars(partial, ordered, planned, read_jpegs, progress)))
            (partial / INDEX_FILE).write_text(index.to_json(), encoding="utf-8")
    return index


def whole_index(directory: Path) -> ShardIndex | None:
    """The index of a folder whose files have the right sizes; otherwise None."""
    try:
        index = ShardIndex.from_json((directory / INDEX_FILE).read_bytes(), origin=str(directory))
        sizes = [(directory / shard.file).stat().st_size for shard in index.shards]
    except (OSError, DataError):
        return None
    whole = sizes == [shard.bytes for shard in index.shards] and (directory / MANIFEST_FILE).is_file()
    return index if whole else None


def is_shard_file(path: Path) -> bool:
    """Whether `export-shards` writes files of this name."""
    return path.name in (INDEX_FILE, MANIFEST_FILE) or (
        path.suffix == ".tar" and path.stem.rpartition("-")[0] in SHARD_SPLITS
    )


class TarFile:
    """A tar that is being written."""

    def __init__(self, folder: Path, split: str, number: int) -> None:
        self.name, self.split = f"{split}-{number:06d}.tar", split
        self._file: BinaryIO = (folder / self.name).open("wb")
        self._sha256 = hashlib.sha256()
        self.offsets = [0]
        self._crc32: list[int] = []

    def add(self, sample: bytes) -> None:
        self._write(sample)
        self.offsets.append(self.offsets[-1] + len(sample))
        self._crc32.append(zlib.crc32(sample))

    def close(self) -> Shard:
        self._write(END_OF_TAR)
        self._file.close()
        return Shard(
            file=self.name,
            split=self.split,
            clips=len(self._crc32),
            bytes=self.offsets[-1] + len(END_OF_TAR),
            sha256=self._sha256.hexdigest(),
            offsets=tuple(self.offsets),
            crc32=tuple(self._crc32),
        )

    def _write(self, content: bytes) -> None:
        self._file.write(content)
        self._sha256.update(content)


def _write_tars(
    folder: Path, manifest: Manifest, planned: ShardIndex, read_jpegs: ReadJpegs, progress: Progress | None
) -> Iterator[Shard]:
    numbers = {label: number for number, label in enumerate(planned.contract.class_names)}
    total, done = sum(map(is_exported, manifest.records)), count(1)

    def make(key: str, record: ClipRecord) -> bytes:
        sample = sample_bytes(key, record, label_number=numbers[record.label], jpegs=read_jpegs(record))
        if progress:
            progress(next(done), total)
        return sample

    for split in SHARD_SPLITS:
        samples = _in_parallel(manifest.split(split), make)
        yield from _write_split(folder, split, samples, planned.max_bytes)


def _write_split(folder: Path, split: str, samples: Iterator[bytes], max_bytes: int) -> Iterator[Shard]:
    tar, number = None, 0
    for sample in samples:
        if tar is not None and tar.offsets[-1] + len(sample) + len(END_OF_TAR) > max_bytes:
            yield tar.close()
            tar, number = None, number + 1
        tar = tar or TarFile(folder, split, number)
        tar.add(sample)
    if tar is not None:
        yield tar.close()


def _in_parallel(records: Sequence[ClipRecord], make: Callable[[str, ClipRecord], bytes]) -> Iterator[bytes]:
    """Samples in order; at most `HELD_CLIPS` are in memory, even if the consumer is slow."""
    keys = [f"{number:06d}" for number in range(len(records))]
    # Threads suffice, because decoding and compressing release the interpreter lock.
    with ThreadPoolExecutor() as pool:
        for first in range(0, len(records), HELD_CLIPS):
            part = slice(first, first + HELD_CLIPS)
            yield from pool.map(make, keys[part], records[part])
