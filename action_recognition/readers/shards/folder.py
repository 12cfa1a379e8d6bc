"""Making a folder of files in one step, by one process at a time."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from action_recognition.errors import DataError


@contextmanager
def only_writer(directory: Path) -> Iterator[None]:
    """Keep other processes from writing `directory`.

    Raises:
        DataError: if one is doing so.
    """
    directory.absolute().parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(directory.with_name(f".{directory.name}.lock.tmp"))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise DataError(f"{directory}: another process writes there; wait for it to end, then run again") from None
    try:
        yield
    finally:
        lock.release()


@contextmanager
def replacing_folder(directory: Path, *, holds: Callable[[Path], bool]) -> Iterator[Path]:
    """Give a folder beside `directory` to fill; it takes `directory`'s place if the block ends without an exception.

    What an interrupted call left behind is put in order first.

    Args:
        holds: whether a file is one of those that may be replaced.

    Raises:
        DataError: if `directory` holds anything else.
    """
    partial = directory.with_name(f".{directory.name}.partial")
    replaced = directory.with_name(f".{directory.name}.replaced.partial")
    if replaced.exists() and not directory.exists():
        replaced.rename(directory)
    strange = [path for path in sorted(directory.iterdir()) if not holds(path)] if directory.exists() else []
    if strange:
        raise DataError(f"{directory}: holds {strange[0].name}, which would be lost; name another folder")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    try:
        yield partial
        shutil.rmtree(replaced, ignore_errors=True)
        if directory.exists():
            directory.rename(replaced)
        partial.rename(directory)
        shutil.rmtree(replaced, ignore_errors=True)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
