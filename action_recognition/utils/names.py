"""Which file names from an archive or a server are safe to write to."""

import os
import re
from pathlib import PurePosixPath

from action_recognition.errors import DataError

LONGEST_NAME_BYTES = 255  # of one file or folder, on all usual file systems
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_DRIVE = re.compile(r"^[A-Za-z]:")
_NOT_ON_WINDOWS = re.compile(r'[<>:"|?*]|[ .]$|^(con|prn|aux|nul|com\d|lpt\d)(\.|$)', re.IGNORECASE)


class UnsafeNameError(DataError):
    """A file name that leads out of its folder or cannot be written."""


def inside_path(name: str) -> PurePosixPath:
    """The relative path that `name` means, where `\\` is a separator too; `# & ( ) ! ; [ ] ~ @ + '` are allowed.

    Raises:
        UnsafeNameError: if it is empty, absolute or too long, has a drive letter, `..` or control characters, or
            cannot be written on this system.
    """
    if _CONTROL.search(name):
        raise UnsafeNameError(f"{name!r}: control characters in a file name")
    unified = name.replace("\\", "/")
    if unified.startswith("/") or _DRIVE.match(unified):
        raise UnsafeNameError(f"{name!r}: an absolute path")
    parts = [part for part in unified.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise UnsafeNameError(f"{name!r}: a path that leads out of the folder")
    if not parts:
        raise UnsafeNameError(f"{name!r}: an empty file name")
    if any(len(part.encode(errors="surrogateescape")) > LONGEST_NAME_BYTES for part in parts):
        raise UnsafeNameError(f"{name[:40]!r}...: a file name of more than {LONGEST_NAME_BYTES} bytes")
    if os.name == "nt" and (bad := next((part for part in parts if _NOT_ON_WINDOWS.search(part)), None)):
        raise UnsafeNameError(f"{name!r}: Windows cannot store the name {bad!r}")
    return PurePosixPath(*parts)
