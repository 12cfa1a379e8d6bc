"""What may be named to `predict`: files, folders, and what is in them."""

from pathlib import Path

import pytest
from helpers.colour_backend import RED, coloured
from helpers.support import write_video

from action_recognition.errors import UserError
from action_recognition.inference.inputs.expand import expand_inputs


def test_inputs_are_files_and_folders(tmp_path: Path) -> None:
    for name in ("b.mp4", "a.AVI", "deep/er/c.webm", "notes.txt", ".hidden.mp4", ".trash/d.mp4", "named"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    found = expand_inputs([f"{tmp_path}/named", f"{tmp_path}", f"{tmp_path}/b.mp4"])
    assert [path.relative_to(tmp_path).as_posix() for path in found] == ["named", "a.AVI", "b.mp4", "deep/er/c.webm"]


def test_inputs_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nowhere: no such file or folder"):
        expand_inputs([str(tmp_path / "nowhere")])
    (tmp_path / "notes.txt").touch()
    with pytest.raises(UserError, match=r"no videos in this folder; expected \.3gp, \.avi"):
        expand_inputs([str(tmp_path)])


@pytest.mark.parametrize("given", ["", " ", "\t"])
def test_an_empty_name_is_no_folder(tmp_path: Path, given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    write_video(tmp_path / "a.avi", coloured((8, RED)))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="expected the name of one"):
        expand_inputs([given])
    assert expand_inputs(["."]) == [Path("a.avi")]
