"""Folders that appear in one step: they are filled beside their place and then renamed."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from action_recognition.errors import DataError


@contextmanager
def new_folder(directory: Path) -> Iterator[Path]:
    """Yield a folder beside `directory` to fill; it becomes `directory` if the block ends without an exception.

    Raises:
        DataError: if `directory` is not empty.
    """
    _check_empty(directory, f"{directory}: not empty; move it away, or name another folder, and run again")
    with _partial_folder(directory.with_name(f"{directory.name}.partial")) as partial:
        yield partial
        move_folder(partial, directory)


@contextmanager
def replacing_folder(directory: Path, *, may_replace: Callable[[Path], bool]) -> Iterator[Path]:
    """Yield a folder beside `directory` to fill; it replaces `directory` if the block ends without an exception.

    First repairs what an interrupted call left behind.

    Args:
        may_replace: whether a file or folder in `directory` may be deleted, because this command wrote it.

    Raises:
        DataError: if `directory` holds anything else.
    """
    replaced = directory.with_name(f".{directory.name}.replaced.partial")
    if replaced.exists() and not directory.exists():
        replaced.rename(directory)
    others = [path for path in sorted(directory.iterdir()) if not may_replace(path)] if directory.exists() else []
    if others:
        raise DataError(f"{directory}: holds {others[0].name}, which would be lost; name another folder")
    with _partial_folder(directory.with_name(f".{directory.name}.partial")) as partial:
        yield partial
        shutil.rmtree(replaced, ignore_errors=True)
        if directory.exists():
            directory.rename(replaced)
        partial.rename(directory)
        shutil.rmtree(replaced, ignore_errors=True)


def move_folder(source: Path, destination: Path) -> None:
    """Rename a folder; one on another disk is first copied beside `destination`.

    Raises:
        DataError: if `destination` is a file, or a folder that is not empty.
    """
    _check_empty(destination, f"{destination}: already exists and is not what is needed; move it away and run again")
    destination.parent.mkdir(parents=True, exist_ok=True)
    if source.stat().st_dev != destination.parent.stat().st_dev:
        beside = destination.with_name(f"{destination.name}.partial")
        shutil.rmtree(beside, ignore_errors=True)
        source = Path(shutil.copytree(source, beside))
    if destination.exists():
        destination.rmdir()  # Windows does not rename onto an empty folder
    source.rename(destination)


@contextmanager
def _partial_folder(folder: Path) -> Iterator[Path]:
    """An empty folder, removed at the end of the block if it was not renamed, with the parents made for it."""
    shutil.rmtree(folder, ignore_errors=True)
    made = [parent for parent in folder.parents if not parent.exists()]
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        with suppress(OSError):  # one that is not empty stays
            for parent in made:
                parent.rmdir()


def _check_empty(directory: Path, line: str) -> None:
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise DataError(line)
