"""One process at a time: file locks that a killed process loses at once."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from action_recognition.errors import DataError


@contextmanager
def locked(path: Path, *, work: str, on_wait: Callable[[], None] | None = None) -> Iterator[None]:
    """Hold the lock file `path` during the block; the file is removed afterwards.

    Args:
        work: what is done under the lock, as the subject of "... is already running".
        on_wait: called once where another process holds the lock, before waiting for it. None: do not wait.

    Raises:
        DataError: if another process holds the lock and `on_wait` is None, or the lock cannot be written.
    """
    lock = FileLock(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout:
        if on_wait is None:
            raise DataError(f"{work} is already running (lock {path}); wait for it to end, then run again") from None
        on_wait()
        lock.acquire()
    except OSError as error:
        raise DataError(f"{work}: cannot write {path} ({error.strerror or error}); choose another folder") from None
    try:
        yield
    finally:
        # Removed while held: a waiting process notices that its file is gone. Windows refuses; there it stays.
        with suppress(OSError):
            path.unlink()
        lock.release()
