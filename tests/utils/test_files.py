"""Files that are written beside their place: what a killed process began is removed by the next that writes there."""

import os
import subprocess
import sys
from pathlib import Path

from helpers.support import ROOT

from action_recognition.utils.files import HOST, placing, remove_abandoned, replace_file, replacing


def killed_while_writing(path: Path) -> None:
    """Leave what a process leaves that is killed between opening and renaming."""
    code = (
        "import os, signal, sys; from pathlib import Path; from action_recognition.utils.files import replacing\n"
        "with replacing(Path(sys.argv[1])) as partial:\n"
        "    partial.write_bytes(b'half'); os.kill(os.getpid(), signal.SIGKILL)"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}
    assert subprocess.run([sys.executable, "-c", code, str(path)], env=environment, timeout=60).returncode == -9


def test_the_next_writer_removes_what_a_killed_one_began_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "best [1].ckpt"
    killed_while_writing(path)
    (abandoned,) = tmp_path.iterdir()
    others = [
        tmp_path / f".best [1].partial-{HOST}-{os.getpid()}.ckpt",  # this process is alive
        tmp_path / abandoned.name.replace(HOST, "0" * 8),  # of another machine
        tmp_path / f".last.partial-{HOST}-999999999.ckpt",  # of another file
        tmp_path / ".best [1].partial-notes.ckpt",
    ]
    for other in others:
        other.touch()
    remove_abandoned(tmp_path, ".best [[]1].partial-*")
    assert sorted(tmp_path.iterdir()) == sorted(others)
    others[0].unlink()
    killed_while_writing(path)
    replace_file(path, b"whole")
    assert sorted(tmp_path.iterdir()) == sorted([path, *others[1:]])
    assert path.read_bytes() == b"whole"


def test_a_writer_that_is_alive_keeps_its_partial_file(tmp_path: Path) -> None:
    with replacing(tmp_path / "a.txt") as partial:
        partial.touch()
        remove_abandoned(tmp_path)
        assert partial.exists()


def test_the_first_of_two_that_make_a_file_stays(tmp_path: Path) -> None:
    with placing(tmp_path / "a.db") as partial:
        partial.write_bytes(b"second")
        (tmp_path / "a.db").write_bytes(b"first")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("a.db", b"first")]
    with placing(tmp_path / "b.db") as partial:
        partial.write_bytes(b"alone")
    assert (tmp_path / "b.db").read_bytes() == b"alone"
    assert len(list(tmp_path.iterdir())) == 2
