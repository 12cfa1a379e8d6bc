"""`ensure_data` in real git and DVC repositories."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from dvc.cli import main as dvc_command
from helpers.dvc_repos import FILES, MINE, contents, dvc_add, dvc_push, set_remote, write
from helpers.support import ROOT

from action_recognition.config import load_config
from action_recognition.errors import ConfigError, DataError
from action_recognition.tracking.data_version import DvcState, ensure_data

ONE_CLIP = "data/demo/videos/run/1.avi"


def remove(path: Path) -> None:
    (shutil.rmtree if path.is_dir() else os.unlink)(path)


def is_state(status: str) -> DvcState:
    """The state with the hash that `data.dvc` in the working directory holds."""
    pin = Path("data.dvc").read_text().splitlines()
    return DvcState(hash=next(line.split()[-1] for line in pin if "md5:" in line), status=status)  # type: ignore[arg-type]


def run(repo: Path, *overrides: str) -> DvcState:
    return ensure_data(load_config(overrides), repo=repo)


def refusal(repo: Path, *overrides: str, error: type[Exception] = DataError) -> str:
    with pytest.raises(error) as caught:
        run(repo, *overrides)
    return str(caught.value)


def test_a_fresh_clone_in_which_download_data_made_the_same_bytes(repo: Path) -> None:
    remove(repo / ".dvc/cache")
    assert run(repo) == is_state("clean")
    download = "data.dvc does not pin it; download it: python commands.py download-data data=hmdb51"
    assert download in refusal(repo, "data=hmdb51")
    # The list is known now: neither a second data set in data/ nor a file in .dvcignore is a change.
    shutil.copy(ROOT / ".dvcignore", repo)
    half = ("data/demo/videos/run/.9.partial-123.avi", "data/demo/videos.partial/x.avi")
    write(repo, {"data/hmdb51/videos/run/x.avi": "x", **dict.fromkeys(half, "half")})
    assert run(repo) == is_state("clean")
    line = refusal(repo, "data=hmdb51", "data.splits_dir=null")
    assert line.startswith("data/hmdb51: not pinned by data.dvc; dvc add data")


@pytest.mark.parametrize("lost", ["data", "data/demo", ONE_CLIP])
def test_missing_comes_from_the_cache(repo: Path, lost: str) -> None:
    remove(repo / lost)
    write(repo, MINE)
    assert run(repo) == is_state("pulled")
    assert contents(repo) == FILES | MINE


@pytest.mark.parametrize(("lost", "default"), [("data/demo", True), (ONE_CLIP, False)])
def test_missing_is_pulled_from_a_remote(repo: Path, lost: str, default: bool) -> None:
    set_remote(repo, repo.parent / "remote", default=default)
    dvc_push(repo)
    remove(repo / ".dvc/cache")
    remove(repo / lost)
    lines: list[str] = []
    config = load_config([] if default else ["tracking.dvc_remote=shared"])
    assert ensure_data(config, repo=repo, progress=lines.append) == is_state("pulled")
    assert contents(repo) == FILES
    assert any("from DVC remote shared" in line for line in lines)


def test_missing_everywhere_names_the_commands_and_deletes_nothing(repo: Path) -> None:
    remove(repo / ".dvc/cache")
    remove(repo / "data/demo")
    write(repo, MINE)
    assert re.search("no DVC remote is set; .*download-data data=demo.*dvc remote add", refusal(repo))
    assert contents(repo) == MINE


def test_nothing_but_our_own_line_is_printed(repo: Path) -> None:
    """In its own process, because DVC's log handlers keep the streams of the time when DVC was imported."""
    set_remote(repo, repo.parent / "empty")
    remove(repo / ".dvc/cache")
    remove(repo / "data")
    code = (
        "from pathlib import Path\n"
        "from action_recognition.config import load_config\n"
        "from action_recognition.tracking.data_version import DataError, ensure_data\n"
        "try:\n    ensure_data(load_config(), repo=Path.cwd())\n"
        "except DataError as error:\n    print(error)\n"
    )
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], cwd=repo, env=env, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr, done.stdout.count("\n")) == (0, "", 1)
    missing = r"data.videos_dir=data/demo/videos: missing.* DVC remote shared does not have it; download it: .*\n"
    assert re.fullmatch(missing, done.stdout)


def test_one_file_lost_from_data_and_cache_deletes_nothing(repo: Path) -> None:
    """`dvc checkout` would remove the whole data directory here."""
    write(repo, MINE)
    remove(repo / "data/demo/videos/run")
    for path in list((repo / ".dvc/cache").rglob("*")):
        if path.is_file() and path.read_text() == "run 1":
            path.unlink()
    before = contents(repo)
    assert "download-data data=demo" in refusal(repo)
    assert contents(repo) == before


def test_modified_names_counts_and_commands(repo: Path) -> None:
    write(repo, {ONE_CLIP: "other", "data/demo/videos/run/9.avi": "new"})
    remove(repo / "data/demo/videos/walk/0.avi")
    line = refusal(repo)
    assert "files changed: 1, added: 1, missing: 1); dvc add data" in line
    restore = "dvc checkout --force data/demo"
    assert restore in line
    allowed = run(repo, "tracking.dvc_allow_modified=true")
    assert dvc_command([*restore.split()[1:], "-q"]) == 0
    assert contents(repo) == FILES
    assert run(repo) == is_state("clean")
    write(repo, {ONE_CLIP: "other", "data/demo/videos/run/9.avi": "new"})
    remove(repo / "data/demo/videos/walk/0.avi")
    dvc_add(repo)
    assert allowed == is_state("modified")
    assert run(repo) == is_state("clean")


@pytest.mark.parametrize(
    ("override", "error", "reason"),
    [
        ("data.videos_dir=/elsewhere", DataError, r"outside data/, .* train-ml-flow"),
        ("data.splits_dir=/elsewhere", DataError, r"outside data/, .* dvc add data"),
        ("tracking.dvc_remote=share", ConfigError, r"expected one of shared \(did you mean 'shared'"),
    ],
)
def test_settings_that_do_not_fit_the_repository(
    repo: Path, override: str, error: type[Exception], reason: str
) -> None:
    set_remote(repo, repo.parent / "empty")
    remove(repo / ".dvc/cache")
    remove(repo / "data/demo")
    assert re.match(f"{override}: {reason}", refusal(repo, override, error=error))


def test_no_repository_and_invalid_pin_files(repo: Path) -> None:
    for text in ("", "outs:\n", "outs: [\n", "no: pin\n"):
        write(repo, {"data.dvc": text})
        assert re.search("data.dvc: not a DVC file .*dvc add data", refusal(repo))
    for lost, advice in ((".git", "git init"), ("data.dvc", "dvc add data"), (".dvc", "dvc init")):
        remove(repo / lost)
        assert advice in refusal(repo)
