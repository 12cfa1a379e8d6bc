"""A folder of shards, opened: its index, its manifest, and where each clip lies."""

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
        records: all rows of the exported manifest, those of the shards first and in their order.
        places: from the MD5 of a video to where its clip lies; of two with the same bytes, the last.
    """

    files: ShardFiles
    index: ShardIndex
    records: tuple[ClipRecord, ...]
    places: dict[str, Place]


def read_index(files: ShardFiles) -> ShardIndex:
    """What `index.json` says.

    Raises:
        DataError: if there is none, or none of this version.
    """
    return ShardIndex.from_json(files.read(INDEX_FILE), origin=f"{files.url}/{INDEX_FILE}")


def open_shards(files: ShardFiles) -> ShardSet:
    """Read `index.json` and `manifest.csv`.

    Raises:
        DataError: if they are missing, cannot be read, or do not belong together.
    """
    index = read_index(files)
    text = files.read(MANIFEST_FILE)
    origin = f"{files.url}/{MANIFEST_FILE}"
    if hashlib.sha256(text).hexdigest() != index.manifest_sha256:
        raise DataError(f"{origin}: not the one that {INDEX_FILE} was written with; copy the folder there again")
    records = tuple(parse_records(text, origin=origin))
    places = [Place(number, clip) for number, shard in enumerate(index.shards) for clip in range(shard.clips)]
    if len(places) != sum(map(is_exported, records)):
        raise DataError(f"{origin}: {len(records)} rows do not fit the {len(places)} clips of {INDEX_FILE}")
    exported = records[: len(places)]
    return ShardSet(
        files=files,
        index=index,
        records=records,
        places={record.md5: place for record, place in zip(exported, places, strict=True)},
    )


@dataclass(frozen=True)
class ShardManifest(Manifest):
    """The manifest that shards were written from, and where they are."""

    shards: ShardSet


def read_shard_manifest(data: DataConfig) -> ShardManifest:
    """The manifest of `data=shards`.

    Raises:
        ConfigError: if `data.shards.url` is not set, or names a place whose driver is not installed.
        DataError: as `open_shards`.
    """
    shards = open_shards(ShardFiles.named_by(data))
    return ShardManifest(Path(data.videos_dir), shards.records, shards)


def is_exported(record: ClipRecord) -> bool:
    """Whether a clip goes into a shard: of a split that is used, and decodable."""
    return record.split in SHARD_SPLITS and not record.error and record.frames > 0


def in_shard_order(records: Sequence[ClipRecord]) -> list[ClipRecord]:
    """The rows of a manifest in the order that they are exported in: split after split, mixed within each.

    Checksums are as good as random, and the same everywhere: classes and sources end up mixed, so that the clips of
    a chunk tell nothing about each other.
    """
    exported = sorted(
        (record for record in records if is_exported(record)),
        key=lambda record: (SHARD_SPLITS.index(record.split), record.md5, record.path),
    )
    return exported + [record for record in records if not is_exported(record)]
