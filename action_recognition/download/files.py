"""Small rules that downloading and unpacking share: names from outside, locks, checksums, small JSON notes."""

import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import Any

from filelock import FileLock, Timeout

from action_recognition.errors import DataError

BLOCK_BYTES = 1 << 18
SAMPLED_BLOCKS = 64
SAMPLED_BLOCK_BYTES = 1 << 20

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_DRIVE = re.compile(r"^[A-Za-z]:")
_NOT_ON_WINDOWS = re.compile(r'[<>:"|?*]|[ .]$|^(con|prn|aux|nul|com\d|lpt\d)(\.|$)', re.IGNORECASE)


class UnsafeNameError(DataError):
    """A file name from an archive or a server that could lead out of the folder it is written to."""


def inside_path(name: str) -> PurePosixPath:
    """The relative path that `name` (from an archive or a server) stands for; `\\` counts as a separator.

    Raises `UnsafeNameError` with the reason where the name is empty, absolute, has a drive letter, a `..` or control
    characters, or cannot be written on this system. Everything else, `# & ( ) ! ; [ ] ~ @ + '` included, is a name.
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
    if os.name == "nt" and (bad := next((part for part in parts if _NOT_ON_WINDOWS.search(part)), None)):
        raise UnsafeNameError(f"{name!r}: Windows cannot store the name {bad!r}")
    return PurePosixPath(*parts)


@contextmanager
def locked(path: Path, *, doing: str) -> Iterator[None]:
    """Hold the lock file `path`; `DataError` where another process has it. A killed holder loses it at once."""
    lock = FileLock(path, timeout=0)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout:
        raise DataError(f"{doing}: another process is at it (lock {path}); wait for it and run again") from None
    except OSError as error:
        raise DataError(f"{doing}: cannot write there ({error.strerror or error}); choose another folder") from None
    try:
        yield
    finally:
        # Taken away while held: a waiter notices that its file is gone. Windows refuses, and removes it on release.
        with suppress(OSError):
            path.unlink()
        lock.release()


def write_json(path: Path, value: object) -> None:
    """Write beside, then rename: `path` is never half a file."""
    beside = path.with_name(path.name + ".new")
    beside.write_text(json.dumps(value, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    beside.replace(path)


def read_json(path: Path) -> dict[str, Any] | None:
    """The object in `path`, or None where there is none that can be read."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def file_digest(path: Path, digest: Any, *, progress: Callable[[int], None]) -> str:
    """Hexadecimal `digest` (a hashlib object) of the file's bytes."""
    done_bytes = 0
    with path.open("rb") as file:
        while block := file.read(BLOCK_BYTES * 4):
            digest.update(block)
            done_bytes += len(block)
            progress(done_bytes)
    return str(digest.hexdigest())


def fingerprint(path: Path) -> str:
    """A quick identity of a file: its size and up to 64 MiB of its bytes. To recognise it, not to trust it."""
    size = path.stat().st_size
    digest = hashlib.sha256(f"{size}:".encode())
    step = max(SAMPLED_BLOCK_BYTES, (size - SAMPLED_BLOCK_BYTES) // (SAMPLED_BLOCKS - 1))
    with path.open("rb") as file:
        for start in [*range(0, size, step), max(0, size - SAMPLED_BLOCK_BYTES)]:
            file.seek(start)
            digest.update(file.read(SAMPLED_BLOCK_BYTES))
    return digest.hexdigest()


def check_room(folder: Path, needed_bytes: int) -> None:
    """Raise `DataError` where the disk of `folder` cannot take `needed_bytes` more."""
    free_bytes = shutil.disk_usage(folder).free
    if needed_bytes > free_bytes:
        needed, free = shown_bytes(needed_bytes), shown_bytes(free_bytes)
        raise DataError(f"{folder}: {needed} are needed and {free} are free; make room and run again, it goes on")


def shown_bytes(size_bytes: int) -> str:
    """`"2.1 GB"` and the like."""
    size = float(size_bytes)
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"
