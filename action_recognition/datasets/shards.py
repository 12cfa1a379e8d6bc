"""Shards that `export-shards` wrote: `readers.shards` reads their manifest, and their frames."""

from action_recognition.config import Config
from action_recognition.datasets.base import Dataset
from action_recognition.datasets.records import ClipRecord
from action_recognition.errors import ConfigError


class Shards(Dataset):
    """Clips in WebDataset tars, with the manifest that they were exported with."""

    reads_shards = True
    is_downloadable = False

    def list_clips(self, config: Config) -> list[ClipRecord]:
        raise ConfigError(f"data={config.data.name}: shards hold no files of their own; name the data set itself")
