"""How much memory a batch takes, before anything is read: settings that cannot fit are refused at once."""

from pathlib import Path

import psutil

from action_recognition.config import ClipConfig, Config
from action_recognition.errors import ConfigError

FLOAT_BYTES = 4
CGROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")


def machine_bytes() -> int:
    """Memory that this process may use: the machine's, or less in a container."""
    total = psutil.virtual_memory().total
    try:
        return min(total, int(CGROUP_LIMIT.read_text()))
    except (OSError, ValueError):  # no control group, or "max"
        return total


def batch_bytes(clip: ClipConfig, *, clips: int) -> int:
    """What `clips` clips take at least: as they are read, and as the numbers that a network is given."""
    values = clips * len(clip.mean) * clip.frames
    return values * (clip.short_side**2 * clip.bits // 8 + clip.size**2 * FLOAT_BYTES)


def check_batches_fit(config: Config, *, views: int = 1) -> None:
    """Refuse settings whose batches, or `views` views of one video, are larger than this machine's memory.

    Raises:
        ConfigError: with both sizes.
    """
    clip, data = config.clip, config.data
    needed, there = batch_bytes(clip, clips=max(data.batch_size, views)), machine_bytes()
    if needed > there:
        settings = f"data.batch_size={data.batch_size}, clip.frames={clip.frames}, clip.size={clip.size}"
        raise ConfigError(
            f"{settings}, clip.short_side={clip.short_side}: one batch takes {needed / 1e9:,.0f} GB, "
            f"this machine has {there / 1e9:,.0f} GB; expected smaller ones"
        )
