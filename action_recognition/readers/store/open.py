"""The clip store as training and evaluation find it."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from action_recognition.config import DataConfig
from action_recognition.datasets.manifest import IMAGE_SOURCES
from action_recognition.datasets.records import ClipRecord
from action_recognition.readers.store.entry import CODECS, StoreFormat
from action_recognition.readers.store.reader import ClipStore


def open_store(data: DataConfig, *, short_side: int) -> ClipStore | None:
    """The store that `data.cache` names; None where there is none. With the codec `auto`, raw goes first."""
    settings = data.cache
    if data.kind in IMAGE_SOURCES or settings.dir is None or not Path(settings.dir).is_dir():
        return None
    codecs = CODECS if settings.codec == "auto" else (settings.codec,)
    formats = [StoreFormat(codec=codec, short_side=short_side, quality=settings.quality) for codec in codecs]
    return ClipStore(Path(settings.dir), formats)


def report_store(store: ClipStore | None, records: Sequence[ClipRecord], console: Console) -> None:
    """One line that says how many of these clips are read from the store, and as what; none where there is none."""
    if store is None:
        return
    found = [store.find(record.md5, frames=record.frames) for record in records]
    held = Counter(entry[1].codec for entry in found if entry)
    codecs = " and ".join(held) or "none"
    console.print(
        f"clip store {store.root}: holds {held.total()} of {len(records)} clips ({codecs}); "
        + ("nothing is decoded" if held.total() == len(records) else "the others are decoded: cache-data adds them"),
        highlight=False,
        markup=False,
    )
