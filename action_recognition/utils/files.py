"""Reading and writing files: an interruption or a full disk leaves the old file, never half of the new one."""

import errno
import glob
import json
import os
import platform
import re
import shutil
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from action_recognition.errors import DataError

BLOCK_BYTES = 1 << 18
# No space on the disk, none left of a quota, a file larger than this user may write.
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
# Eight hex digits for this machine: on a shared disk the process of that number may be another machine's.
HOST = f"{zlib.crc32(platform.node().encode()):08x}"
_PARTIAL = re.compile(rf"\..*\.partial-{HOST}-(?P<pid>\d+)(\.[^.]*)?")  # SQLite's journal has the name and "-journal"


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a path beside `path` to write to; it takes `path`'s place if the block ends without an exception."""
    partial = _partial_path(path)
    try:
        yield partial
        partial.replace(path)
    except OSError as error:
        if error.errno in NO_ROOM and error.filename is None:  # a write, unlike opening, does not say to which file
            error.filename = str(path)
        raise
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def placing(path: Path) -> Iterator[Path]:
    """As `replacing`, but a file that another process put at `path` meanwhile stays, and the new one is dropped."""
    partial = _partial_path(path)
    try:
        yield partial
        try:
            os.link(partial, path)  # unlike renaming, this fails where there is a file
        except FileExistsError:
            pass
        except OSError:  # a disk without hard links
            partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _partial_path(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_abandoned(path.parent, f".{glob.escape(path.stem)}.partial-*")
    # The suffix stays last: some writers choose the format by it.
    return path.with_name(f".{path.stem}.partial-{HOST}-{os.getpid()}{path.suffix}")


def remove_abandoned(folder: Path, pattern: str = ".*.partial-*") -> None:
    """Remove what `replacing` began in a folder, in a process of this machine that was killed meanwhile."""
    for path in folder.glob(pattern):
        found = _PARTIAL.fullmatch(path.name)
        if found is None:
            continue
        import psutil  # nearly never needed

        if not psutil.pid_exists(int(found["pid"])):
            path.unlink(missing_ok=True)


def replace_file(path: Path, content: bytes) -> None:
    """Write `content` to `path` in one step."""
    with replacing(path) as partial:
        partial.write_bytes(content)


def write_json(path: Path, value: object) -> None:
    """Write a small note in one step."""
    replace_file(path, (json.dumps(value, indent=1, sort_keys=True) + "\n").encode())


def read_json(path: Path) -> dict[str, Any] | None:
    """The object in `path`, or None where there is none that can be read."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def blocks_of(file: IO[bytes], size_bytes: int | None = None) -> Iterator[bytes]:
    """The next `size_bytes` of `file` (None: all there are) in blocks; fewer where it ends before."""
    left = BLOCK_BYTES if size_bytes is None else size_bytes
    while left > 0 and (block := file.read(min(BLOCK_BYTES, left))):
        left -= 0 if size_bytes is None else len(block)
        yield block


def check_room(folder: Path, needed_bytes: int) -> None:
    """Raise `DataError` where the disk of `folder` cannot take `needed_bytes` more."""
    free_bytes = shutil.disk_usage(folder).free
    if needed_bytes > free_bytes:
        needed, free = shown_bytes(needed_bytes), shown_bytes(free_bytes)
        raise DataError(f"{folder}: {needed} are needed and {free} are free; make room and run again")


def shown_bytes(size_bytes: int) -> str:
    """`"2.1 GB"` and the like."""
    size = float(size_bytes)
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"
