"""The reader of a data set's frames: files, the clip store, shards, or memory."""

from collections.abc import Sequence

from rich.console import Console

from action_recognition.config import Config
from action_recognition.datasets.records import ClipRecord, Manifest
from action_recognition.readers.base import ClipReader, DecodingReader
from action_recognition.readers.in_memory_reader import InMemoryReader
from action_recognition.readers.shards.reader import ShardReader
from action_recognition.readers.shards.shard_set import ShardManifest
from action_recognition.readers.store.reader import open_store
from action_recognition.video.frames import FrameFormat


def open_clip_reader(config: Config, manifest: Manifest, *, short_side: int) -> ClipReader:
    """The shards of a manifest that came from shards; else the clip store, or decoding where there is none.

    With `data.in_memory`, memory in front of it.

    Raises:
        DataError: if the frames in the shards have another short side.
    """
    reader: ClipReader
    if isinstance(manifest, ShardManifest):
        reader = ShardReader(manifest.shards, short_side=short_side)
    else:
        reader = open_store(config.data, short_side=short_side) or DecodingReader()
    if not config.data.in_memory:
        return reader
    frame_format = FrameFormat(short_side=short_side, channels=config.clip.channels, bits=config.clip.bits)
    return InMemoryReader(manifest, reader, frame_format)


def report_reader(reader: ClipReader, records: Sequence[ClipRecord], console: Console) -> None:
    """One line on where these clips are read from, unless they are decoded."""
    if line := reader.describe(records):
        console.print(line, highlight=False, markup=False)
