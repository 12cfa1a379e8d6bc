"""Getting a data set: from mirrors or the hub onto the disk, and out of archives that nobody has to trust."""

from action_recognition.download.archive import Unpacked, unpack
from action_recognition.download.file import DownloadError, fetch
from action_recognition.download.hub import fetch_tree
from action_recognition.download.limits import ArchiveError, HostileArchiveError, UnpackLimits
from action_recognition.download.progress import Progress, terminal_progress
from action_recognition.download.transfer import Retry

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
