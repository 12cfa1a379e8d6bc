"""Folders appear whole or not at all, and what a user put in their place stays."""

from pathlib import Path

import pytest
from helpers.support import files_in

from action_recognition.errors import DataError
from action_recognition.utils.folders import move_folder, new_folder, replacing_folder


def test_a_new_folder_appears_at_the_end_or_not_at_all(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()

    def fail() -> None:
        with new_folder(tmp_path / "set") as partial:
            (partial / "half").write_text("half")
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert files_in(tmp_path) == {}
    with new_folder(tmp_path / "set") as partial:
        (partial / "a").write_text("a")
    assert files_in(tmp_path) == {"set/a": b"a"}
    with pytest.raises(DataError, match="set: not empty; move it away"), new_folder(tmp_path / "set"):
        pass


def test_a_folder_of_ones_own_is_replaced_and_another_is_not(tmp_path: Path) -> None:
    for name in ("a.tar", "b.tar"):
        with replacing_folder(tmp_path / "set", may_replace=lambda path: path.suffix == ".tar") as partial:
            (partial / name).write_text(name)
        assert files_in(tmp_path) == {f"set/{name}": name.encode()}
    (tmp_path / "set/mine.txt").write_text("mine")
    with (
        pytest.raises(DataError, match=r"holds mine\.txt, which would be lost"),
        replacing_folder(tmp_path / "set", may_replace=lambda path: path.suffix == ".tar"),
    ):
        pass
    assert set(files_in(tmp_path)) == {"set/b.tar", "set/mine.txt"}


def test_parents_made_for_a_folder_that_failed_go_with_it(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    with pytest.raises(KeyError), new_folder(tmp_path / "there/a/b/set"):
        raise KeyError
    assert [path.name for path in tmp_path.rglob("*")] == ["there"]
    with new_folder(tmp_path / "there/a/b/set"):
        pass
    assert (tmp_path / "there/a/b/set").is_dir()


def test_what_is_in_the_way_of_a_move_is_kept(tmp_path: Path) -> None:
    (tmp_path / "staged").mkdir()
    (tmp_path / "there").write_text("mine")
    with pytest.raises(DataError, match="move it away"):
        move_folder(tmp_path / "staged", tmp_path / "there")
    assert (tmp_path / "there").read_text() == "mine"
