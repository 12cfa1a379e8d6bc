"""Where the frames of a data set come from, so that nothing else has to know: videos, the clip store, or shards."""

from collections.abc import Sequence

from rich.console import Console

from action_recognition.config import DataConfig
from action_recognition.data.dataset import ClipSource
from action_recognition.data.manifest import ClipRecord, Manifest
from action_recognition.data.shards.reader import ShardReader
from action_recognition.data.shards.shard_set import ShardManifest
from action_recognition.data.store.jobs import open_store, report_store
from action_recognition.data.store.reader import ClipStore


def open_source(data: DataConfig, manifest: Manifest, *, short_side: int) -> ClipSource | None:
    """The shards of a manifest that came from shards; else the clip store; None where every clip is decoded.

    Raises:
        DataError: if the frames in the shards have another short side.
    """
    if isinstance(manifest, ShardManifest):
        return ShardReader(manifest.shards, short_side=short_side)
    return open_store(data, short_side=short_side)


def report_source(source: ClipSource | None, records: Sequence[ClipRecord], console: Console) -> None:
    """One line on where these clips are read from, unless they are decoded."""
    if isinstance(source, ShardReader):
        console.print(f"reading shards from {source.shards.files.url}", highlight=False, markup=False)
    elif isinstance(source, ClipStore):
        report_store(source, records, console)
