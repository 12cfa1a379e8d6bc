from pathlib import Path
from threading import Event, Thread

import pytest
from filelock import FileLock

from action_recognition.errors import DataError
from action_recognition.utils.locks import locked


def test_one_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "new/work.lock"
    refusal = pytest.raises(DataError, match=r"cooking is already running \(lock .*work\.lock\); wait")
    with locked(path, work="cooking"), refusal, locked(path, work="cooking"):
        pass
    with locked(path, work="cooking"):
        pass
    assert list(path.parent.iterdir()) == []


def test_one_that_waits_is_told_so_and_comes_next(tmp_path: Path) -> None:
    held, may_end, said = Event(), Event(), list[str]()

    def hold() -> None:
        with FileLock(tmp_path / "work.lock"):
            held.set()
            may_end.wait(20)

    def on_wait() -> None:
        said.append("waiting")
        may_end.set()

    other = Thread(target=hold)
    other.start()
    assert held.wait(20)
    with locked(tmp_path / "work.lock", work="cooking", on_wait=on_wait):
        assert said == ["waiting"]
    other.join()


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    refusal = pytest.raises(DataError, match=r"cooking: cannot write .*; choose another folder")
    with refusal, locked(tmp_path / "file/work.lock", work="cooking"):
        pass
