"""Getting a data set: from mirrors or the hub onto the disk, and out of archives that nobody has to trust."""

from action_recognition.data.fetch.archive import Unpacked, unpack
from action_recognition.data.fetch.download import DownloadError, fetch
from action_recognition.data.fetch.hub import fetch_tree
from action_recognition.data.fetch.limits import ArchiveError, HostileArchiveError, UnpackLimits
from action_recognition.data.fetch.progress import Progress, terminal_progress
from action_recognition.data.fetch.transfer import Retry

__all__ = [
    "ArchiveError",
    "DownloadError",
    "HostileArchiveError",
    "Progress",
    "Retry",
    "UnpackLimits",
    "Unpacked",
    "fetch",
    "fetch_tree",
    "terminal_progress",
    "unpack",
]
