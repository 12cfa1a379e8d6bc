"""File locks, which a killed process loses at once."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from action_recognition.errors import DataError


@contextmanager
def locked(path: Path, *, work: str, on_wait: Callable[[], None] | None = None) -> Iterator[None]:
    """Hold the lock file `path` during the block; the file is removed afterwards.

    Args:
        work: the subject of the error "... is already running".
        on_wait: called once before waiting for another process that holds the lock; None: raise instead of waiting.

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
        # Removed while held: a waiting process notices that its file is gone. Windows refuses to remove it.
        with suppress(OSError):
            path.unlink()
        lock.release()
