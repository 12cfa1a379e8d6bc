"""The clip store as training and evaluation find it."""

from pathlib import Path

from action_recognition.config import DataConfig
from action_recognition.datasets import dataset_of
from action_recognition.readers.store.entry import CODECS, StoreFormat
from action_recognition.readers.store.reader import ClipStore


def open_store(data: DataConfig, *, short_side: int) -> ClipStore | None:
    """The store that `data.cache` names; None where there is none. With the codec `auto`, raw goes first."""
    settings = data.cache
    if not dataset_of(data).is_video or settings.dir is None or not Path(settings.dir).is_dir():
        return None
    codecs = CODECS if settings.codec == "auto" else (settings.codec,)
    formats = [StoreFormat(codec=codec, short_side=short_side, quality=settings.quality) for codec in codecs]
    return ClipStore(Path(settings.dir), formats)
