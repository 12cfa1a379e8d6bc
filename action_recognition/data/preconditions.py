"""Checks before anything slow is imported: the data exists, and a batch fits into memory."""

from pathlib import Path

import psutil

from action_recognition.config import ClipConfig, Config, DataConfig
from action_recognition.datasets import dataset_of
from action_recognition.errors import ConfigError, DataError

FLOAT_BYTES = 4
CGROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")


def check_data_there(data: DataConfig) -> None:
    """Raise `DataError` if a folder or file of the data set is missing. Shards are checked when they are opened."""
    dataset = dataset_of(data)
    if dataset.reads_shards:
        return
    how = f"python commands.py download-data data={data.name} downloads it"
    if not dataset.is_downloadable:
        how = "give a folder that holds one folder of videos per class"
    for key, folder in (("videos_dir", data.videos_dir), ("splits_dir", data.splits_dir)):
        if folder is not None and not Path(folder).is_dir():
            problem = "not a directory" if Path(folder).exists() else "no such directory"
            raise DataError(f"data.{key}={folder}: {problem}; {how}")
    if data.labels_csv is not None and not Path(data.labels_csv).is_file():
        raise DataError(f"data.labels_csv={data.labels_csv}: no such file; {how}")


def machine_bytes() -> int:
    """Memory that this process may use: the machine's, or the limit of its container."""
    total = psutil.virtual_memory().total
    try:
        return min(total, int(CGROUP_LIMIT.read_text()))
    except (OSError, ValueError):  # no control group, or "max"
        return total


def batch_bytes(clip: ClipConfig, *, clips: int) -> int:
    """The least memory that `clips` clips take, as the bytes that are read and as the network's input."""
    values = clips * len(clip.mean) * clip.frames
    return values * (clip.short_side**2 * clip.bits // 8 + clip.size**2 * FLOAT_BYTES)


def check_batches_fit(config: Config, *, views: int = 1) -> None:
    """Raise `ConfigError` if a batch, or `views` views of one video, are larger than this machine's memory."""
    clip, data = config.clip, config.data
    needed, available = batch_bytes(clip, clips=max(data.batch_size, views)), machine_bytes()
    if needed > available:
        settings = f"data.batch_size={data.batch_size}, clip.frames={clip.frames}, clip.size={clip.size}"
        raise ConfigError(
            f"{settings}, clip.short_side={clip.short_side}: one batch takes {needed / 1e9:,.0f} GB, "
            f"this machine has {available / 1e9:,.0f} GB; expected smaller values"
        )
