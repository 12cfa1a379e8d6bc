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

from rich.filesize import decimal

from action_recognition.errors import DataError

BLOCK_BYTES = 1 << 18
# No space on the disk, a quota that is used up, a file larger than this user may write.
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
# Eight hex digits for this machine: on a shared disk a process number may belong to another machine.
HOST = f"{zlib.crc32(platform.node().encode()):08x}"
_PARTIAL = re.compile(rf"\..*\.partial-{HOST}-(?P<pid>\d+)(\.[^.]*)?")  # not SQLite's "-journal" beside it


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a path beside `path` to write to; it replaces `path` if the block ends without an exception."""
    try:
        with _partial_path(path) as partial:
            yield partial
            partial.replace(path)
    except OSError as error:
        if error.errno in NO_ROOM and error.filename is None:  # opening names the file, writing does not
            error.filename = str(path)
        raise


@contextmanager
def placing(path: Path) -> Iterator[Path]:
    """As `replacing`, but keeps a file that another process has put at `path` meanwhile, and drops the new one."""
    with _partial_path(path) as partial:
        yield partial
        try:
            os.link(partial, path)  # unlike renaming, this fails if the file exists
        except FileExistsError:
            pass
        except OSError:  # a disk without hard links
            partial.replace(path)


@contextmanager
def _partial_path(path: Path) -> Iterator[Path]:
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_abandoned(path.parent, f".{glob.escape(path.stem)}.partial-*")
    # The suffix stays last: some writers choose the format by it.
    partial = path.with_name(f".{path.stem}.partial-{HOST}-{os.getpid()}{path.suffix}")
    try:
        yield partial
    finally:
        partial.unlink(missing_ok=True)


def remove_abandoned(folder: Path, pattern: str = ".*.partial-*") -> None:
    """Remove what `replacing` left in a folder when its process, on this machine, was killed."""
    for path in folder.glob(pattern):
        if found := _PARTIAL.fullmatch(path.name):
            import psutil  # rarely needed

            if not psutil.pid_exists(int(found["pid"])):
                path.unlink(missing_ok=True)


def replace_file(path: Path, content: bytes) -> None:
    """Write `content` to `path` in one step."""
    with replacing(path) as partial:
        partial.write_bytes(content)


def write_json(path: Path, value: object) -> None:
    """Write `value` to `path` in one step."""
    replace_file(path, (json.dumps(value, indent=1, sort_keys=True) + "\n").encode())


def read_json(path: Path) -> dict[str, Any] | None:
    """The JSON object in `path`; None if the file is missing or holds anything else."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def blocks_of(file: IO[bytes], size_bytes: int | None = None) -> Iterator[bytes]:
    """The next `size_bytes` of `file` (None: all) in blocks; fewer if the file ends earlier."""
    left = BLOCK_BYTES if size_bytes is None else size_bytes
    while left > 0 and (block := file.read(min(BLOCK_BYTES, left))):
        left -= 0 if size_bytes is None else len(block)
        yield block


def check_room(folder: Path, needed_bytes: int) -> None:
    """Raise `DataError` if the disk of `folder` has less than `needed_bytes` free."""
    free_bytes = shutil.disk_usage(folder).free
    if needed_bytes > free_bytes:
        needed, free = decimal(needed_bytes), decimal(free_bytes)
        raise DataError(f"{folder}: {needed} are needed and {free} are free; make room and run again")
