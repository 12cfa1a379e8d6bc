"""Where the frames of a data set come from, so nothing else has to know: files, the clip store, shards, or memory."""

from collections.abc import Sequence

from rich.console import Console

from action_recognition.config import Config
from action_recognition.datasets.records import ClipRecord, Manifest
from action_recognition.readers.base import ClipReader
from action_recognition.readers.in_memory_reader import InMemoryReader
from action_recognition.readers.shards.reader import ShardReader
from action_recognition.readers.shards.shard_set import ShardManifest
from action_recognition.readers.store.open import open_store, report_store
from action_recognition.readers.store.reader import ClipStore


def open_clip_reader(config: Config, manifest: Manifest, *, short_side: int) -> ClipReader | None:
    """The shards of a manifest that came from shards; else the clip store; None where every clip is decoded.

    With `data.in_memory`, memory in front of it.

    Raises:
        DataError: if the frames in the shards have another short side.
    """
    inner: ClipReader | None
    if isinstance(manifest, ShardManifest):
        inner = ShardReader(manifest.shards, short_side=short_side)
    else:
        inner = open_store(config.data, short_side=short_side)
    if not config.data.in_memory:
        return inner
    return InMemoryReader(manifest, inner, short_side=short_side, channels=config.clip.channels, bits=config.clip.bits)


def below_memory(source: ClipReader | None) -> ClipReader | None:
    """Where frames are read from when they are not in memory."""
    return source.inner if isinstance(source, InMemoryReader) else source


def report_reader(source: ClipReader | None, records: Sequence[ClipRecord], console: Console) -> None:
    """One line on where these clips are read from, unless they are decoded."""
    source = below_memory(source)
    if isinstance(source, ShardReader):
        console.print(f"reading shards from {source.shards.files.url}", highlight=False, markup=False)
    elif isinstance(source, ClipStore):
        report_store(source, records, console)
