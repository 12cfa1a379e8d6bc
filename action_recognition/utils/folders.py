"""Making a folder of files in one step: it is filled beside its place and then renamed."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from action_recognition.errors import DataError


@contextmanager
def new_folder(directory: Path) -> Iterator[Path]:
    """Give a folder beside `directory` to fill; it takes its place if the block ends without an exception.

    Raises:
        DataError: if `directory` holds something.
    """
    _check_empty(directory, f"{directory}: not empty; move it away, or name another folder, and run again")
    partial = directory.with_name(f"{directory.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        yield partial
        move_folder(partial, directory)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


@contextmanager
def replacing_folder(directory: Path, *, may_replace: Callable[[Path], bool]) -> Iterator[Path]:
    """Give a folder beside `directory` to fill; it takes `directory`'s place if the block ends without an exception.

    What an interrupted call left behind is put in order first.

    Args:
        may_replace: whether a file or folder in `directory` is one that this command wrote and may lose.

    Raises:
        DataError: if `directory` holds anything else.
    """
    partial = directory.with_name(f".{directory.name}.partial")
    replaced = directory.with_name(f".{directory.name}.replaced.partial")
    if replaced.exists() and not directory.exists():
        replaced.rename(directory)
    others = [path for path in sorted(directory.iterdir()) if not may_replace(path)] if directory.exists() else []
    if others:
        raise DataError(f"{directory}: holds {others[0].name}, which would be lost; name another folder")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        yield partial
        shutil.rmtree(replaced, ignore_errors=True)
        if directory.exists():
            directory.rename(replaced)
        partial.rename(directory)
        shutil.rmtree(replaced, ignore_errors=True)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def move_folder(source: Path, destination: Path) -> None:
    """Rename a folder; where another disk forbids that, copy it beside `destination` first.

    Raises:
        DataError: if something is in the way.
    """
    _check_empty(destination, f"{destination}: already exists and is not what is needed; move it away and run again")
    destination.parent.mkdir(parents=True, exist_ok=True)
    if source.stat().st_dev != destination.parent.stat().st_dev:
        beside = destination.with_name(f"{destination.name}.partial")
        shutil.rmtree(beside, ignore_errors=True)
        source = Path(shutil.copytree(source, beside))
    if destination.exists():
        destination.rmdir()  # it is empty, and Windows renames nothing onto it
    source.rename(destination)


def _check_empty(directory: Path, line: str) -> None:
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise DataError(line)
