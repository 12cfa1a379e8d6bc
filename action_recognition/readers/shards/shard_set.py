"""An open folder of shards: its index, its manifest, and the position of each clip."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from action_recognition.config import DataConfig
from action_recognition.datasets.records import ClipRecord, Manifest, parse_records
from action_recognition.errors import DataError
from action_recognition.readers.base import Place
from action_recognition.readers.shards.files import ShardFiles
from action_recognition.readers.shards.index import INDEX_FILE, MANIFEST_FILE, SHARD_SPLITS, ShardIndex


@dataclass(frozen=True, kw_only=True)
class ShardSet:
    """An open folder of shards.

    Attributes:
        places: from the MD5 of a video to the position of its clip; of two equal videos, the last.
    """

    files: ShardFiles
    index: ShardIndex
    places: dict[str, Place]


def read_index(files: ShardFiles) -> ShardIndex:
    """The index in `index.json`; `DataError` if it does not exist or has another version."""
    return ShardIndex.from_json(files.read(INDEX_FILE), origin=f"{files.url}/{INDEX_FILE}")


@dataclass(frozen=True)
class ShardManifest(Manifest):
    """The manifest that shards were written from, with those in the shards first, and the shards."""

    shards: ShardSet


def read_shard_manifest(data: DataConfig) -> ShardManifest:
    """Read the `index.json` and `manifest.csv` of `data=shards`.

    Raises:
        ConfigError, DataError: if they cannot be read, or do not belong together.
    """
    files = ShardFiles.named_by(data)
    index, text = read_index(files), files.read(MANIFEST_FILE)
    origin = f"{files.url}/{MANIFEST_FILE}"
    if hashlib.sha256(text).hexdigest() != index.manifest_sha256:
        raise DataError(f"{origin}: not the one that {INDEX_FILE} was written with; copy the folder there again")
    records = tuple(parse_records(text, origin=origin))
    places = [Place(number, clip) for number, shard in enumerate(index.shards) for clip in range(shard.clips)]
    if len(places) != sum(map(is_exported, records)):
        raise DataError(f"{origin}: {len(records)} rows do not fit the {len(places)} clips of {INDEX_FILE}")
    by_md5 = {record.md5: place for record, place in zip(records[: len(places)], places, strict=True)}
    return ShardManifest(Path(data.videos_dir), records, ShardSet(files=files, index=index, places=by_md5))


def is_exported(record: ClipRecord) -> bool:
    """Whether a clip belongs in a shard: its split is used, and it can be decoded."""
    return record.split in SHARD_SPLITS and not record.error and record.frames > 0


def in_shard_order(records: Sequence[ClipRecord]) -> list[ClipRecord]:
    """The rows of a manifest in the order of the shards, sorted by split and checksum.

    Checksums mix classes and source videos, in the same way on every machine, so that neighbours are unrelated.
    """
    exported = sorted(
        (record for record in records if is_exported(record)),
        key=lambda record: (SHARD_SPLITS.index(record.split), record.md5, record.path),
    )
    return exported + [record for record in records if not is_exported(record)]
