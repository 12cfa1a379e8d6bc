"""`ensure_data` in real git and DVC repositories."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from dvc.repo import Repo
from helpers.support import ROOT

from action_recognition.config import load_config
from action_recognition.errors import ConfigError, DataError
from action_recognition.tracking.data_version import DvcState, ensure_data

FILES = {f"data/demo/videos/{label}/{n}.avi": f"{label} {n}" for label in ("run", "walk") for n in range(3)}
FILES["data/demo/splits/run_test_split1.txt"] = "0.avi 1\n"


def dvc_add(repo: Path) -> None:
    with Repo(str(repo)) as dvc:
        dvc.add(str(repo / "data"))


def add_remote(repo: Path, name: str, url: Path, *, default: bool = False) -> None:
    core = f"[core]\n    remote = {name}\n" if default else ""
    (repo / ".dvc/config").write_text(f"{core}['remote \"{name}\"']\n    url = {url}\n")


def dvc_push(repo: Path, remote: str) -> None:
    with Repo(str(repo)) as dvc:
        assert dvc.push(remote=remote)


def write(repo: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (repo / name).parent.mkdir(parents=True, exist_ok=True)
        (repo / name).write_text(text)


def contents(repo: Path) -> dict[str, str]:
    return {p.relative_to(repo).as_posix(): p.read_text() for p in (repo / "data").rglob("*") if p.is_file()}


@pytest.fixture(scope="session")
def pinned_repo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository whose data is pinned by the DVC command line, in its cache, and in no remote."""
    with pytest.MonkeyPatch.context() as patch:
        isolate_dvc(patch, tmp_path_factory.mktemp("dvc"))
        repo = tmp_path_factory.mktemp("pinned")
        subprocess.run(["git", "init", "-q", "."], cwd=repo, check=True)
        (repo / ".gitignore").write_text("/data\n")
        with Repo.init(str(repo)):
            write(repo, FILES)
        dvc_add(repo)
        return repo


@pytest.fixture
def repo(pinned_repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of `pinned_repo` that is the working directory."""
    isolate_dvc(monkeypatch, tmp_path / "dvc")
    copy = tmp_path / "repo"
    shutil.copytree(pinned_repo, copy)
    monkeypatch.chdir(copy)
    return copy


def isolate_dvc(patch: pytest.MonkeyPatch, folder: Path) -> None:
    for name in ("SITE_CACHE", "GLOBAL_CONFIG", "SYSTEM_CONFIG"):
        patch.setenv(f"DVC_{name}_DIR", str(folder / name))
    patch.setenv("DVC_NO_ANALYTICS", "1")


def pinned_hash(repo: Path) -> str:
    return next(line.split()[-1] for line in (repo / "data.dvc").read_text().splitlines() if "md5:" in line)


def run(repo: Path, *overrides: str) -> DvcState:
    return ensure_data(load_config(overrides), repo=repo)


def empty_cache(repo: Path) -> None:
    shutil.rmtree(repo / ".dvc/cache")


def test_clean(repo: Path) -> None:
    assert run(repo) == DvcState(hash=pinned_hash(repo), status="clean")


def test_clean_without_cache_and_remote(repo: Path) -> None:
    """A fresh clone in which download-data has made the same bytes."""
    empty_cache(repo)
    assert run(repo) == DvcState(hash=pinned_hash(repo), status="clean")
    # From then on the list is known: a second data set in data/ does not make the first one look changed.
    write(repo, {"data/hmdb51/videos/run/x.avi": "x"})
    assert run(repo).status == "clean"


def test_files_that_dvcignore_names_are_no_change(repo: Path) -> None:
    shutil.copy(ROOT / ".dvcignore", repo / ".dvcignore")
    write(repo, {"data/demo/videos/run/.9.partial-123.avi": "half", "data/demo/videos.partial/x.avi": "half"})
    assert run(repo).status == "clean"


@pytest.mark.parametrize("lost", ["data", "data/demo", "data/demo/videos/run/1.avi"])
def test_missing_comes_from_the_cache(repo: Path, lost: str) -> None:
    (shutil.rmtree if (repo / lost).is_dir() else os.unlink)(repo / lost)
    write(repo, {"data/mine/x.avi": "not pinned"})
    assert run(repo) == DvcState(hash=pinned_hash(repo), status="pulled")
    assert contents(repo) == FILES | {"data/mine/x.avi": "not pinned"}


@pytest.mark.parametrize("lost", ["data/demo", "data/demo/videos/run/1.avi"])
@pytest.mark.parametrize("default", [True, False])
def test_missing_is_pulled_from_a_remote(repo: Path, tmp_path: Path, lost: str, default: bool) -> None:
    add_remote(repo, "store", tmp_path / "store", default=default)
    dvc_push(repo, "store")
    empty_cache(repo)
    (shutil.rmtree if (repo / lost).is_dir() else os.unlink)(repo / lost)
    lines: list[str] = []
    config = load_config([] if default else ["tracking.dvc_remote=store"])
    state = ensure_data(config, repo=repo, progress=lines.append)
    assert state == DvcState(hash=pinned_hash(repo), status="pulled")
    assert contents(repo) == FILES
    assert any("from DVC remote store" in line for line in lines)


@pytest.mark.parametrize("remote", [None, "empty"])
def test_missing_everywhere_names_the_commands_and_deletes_nothing(
    repo: Path, tmp_path: Path, remote: str | None
) -> None:
    if remote:
        add_remote(repo, remote, tmp_path / "store", default=True)
    empty_cache(repo)
    shutil.rmtree(repo / "data/demo")
    write(repo, {"data/mine/x.avi": "not pinned"})
    with pytest.raises(DataError, match=r"download-data data=demo.*dvc remote add") as error:
        run(repo)
    assert (f"DVC remote {remote}" if remote else "no DVC remote is set") in str(error.value)
    assert "\n" not in str(error.value)
    assert contents(repo) == {"data/mine/x.avi": "not pinned"}


def test_nothing_but_our_own_line_is_printed(repo: Path, tmp_path: Path) -> None:
    """In a process of its own: DVC's log handlers keep the streams that they found when it was imported."""
    add_remote(repo, "empty", tmp_path / "store", default=True)
    empty_cache(repo)
    shutil.rmtree(repo / "data")
    code = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
        "from pathlib import Path\n"
        "from action_recognition.config import load_config\n"
        "from action_recognition.errors import DataError\n"
        "from action_recognition.tracking.data_version import ensure_data\n"
        "try:\n    ensure_data(load_config(), repo=Path.cwd())\n"
        "except DataError as error:\n    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=repo, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("data.videos_dir=data/demo/videos: missing")
    assert done.stdout.count("\n") == 1


def test_one_file_lost_from_data_and_cache_deletes_nothing(repo: Path) -> None:
    """`dvc checkout` would remove the whole data directory here."""
    write(repo, {"data/mine/x.avi": "not pinned"})
    shutil.rmtree(repo / "data/demo/videos/run")
    for path in list((repo / ".dvc/cache").rglob("*")):
        if path.is_file() and path.read_text() == "run 1":
            path.unlink()
    before = contents(repo)
    with pytest.raises(DataError, match="download-data data=demo"):
        run(repo)
    assert contents(repo) == before


def test_modified_names_counts_and_commands(repo: Path) -> None:
    write(repo, {"data/demo/videos/run/1.avi": "other", "data/demo/videos/run/9.avi": "new"})
    (repo / "data/demo/videos/walk/0.avi").unlink()
    with pytest.raises(DataError, match="files changed: 1, added: 1, missing: 1") as error:
        run(repo)
    assert "dvc add data" in str(error.value)
    restore = "dvc checkout --force data/demo"
    assert restore in str(error.value)
    subprocess.run([sys.executable, "-m", *restore.split(), "-q"], cwd=repo, check=True, timeout=120)
    assert contents(repo) == FILES
    assert run(repo).status == "clean"


def test_modified_can_be_allowed(repo: Path) -> None:
    write(repo, {"data/demo/videos/run/9.avi": "new"})
    state = run(repo, "tracking.dvc_allow_modified=true")
    dvc_add(repo)
    assert state == DvcState(hash=pinned_hash(repo), status="modified")
    assert run(repo) == DvcState(hash=pinned_hash(repo), status="clean")


def test_a_change_in_another_data_set_does_not_matter(repo: Path) -> None:
    write(repo, {"data/hmdb51/videos/run/x.avi": "x"})
    assert run(repo).status == "clean"
    with pytest.raises(DataError, match=r"data/hmdb51.*not pinned by data.dvc; dvc add data"):
        run(repo, "data=hmdb51", "data.splits_dir=null")


def test_a_data_set_that_is_nowhere(repo: Path) -> None:
    with pytest.raises(DataError, match="download-data data=hmdb51"):
        run(repo, "data=hmdb51")


@pytest.mark.parametrize("key", ["data.videos_dir", "data.splits_dir"])
def test_data_outside_the_pinned_directory(repo: Path, tmp_path: Path, key: str) -> None:
    with pytest.raises(DataError, match=rf"{key}=.*outside data/.*train-ml-flow.*dvc add data"):
        run(repo, f"{key}={tmp_path}")


def test_unknown_remote(repo: Path, tmp_path: Path) -> None:
    add_remote(repo, "store", tmp_path / "store")
    empty_cache(repo)
    shutil.rmtree(repo / "data/demo")
    with pytest.raises(ConfigError, match=r"tracking.dvc_remote=stor: expected one of store \(did you mean 'store'"):
        run(repo, "tracking.dvc_remote=stor")


@pytest.mark.parametrize(("lost", "advice"), [("data.dvc", "dvc add data"), (".dvc", "dvc init"), (".git", "git init")])
def test_no_repository(repo: Path, lost: str, advice: str) -> None:
    (shutil.rmtree if (repo / lost).is_dir() else os.unlink)(repo / lost)
    with pytest.raises(DataError, match=advice):
        run(repo)


@pytest.mark.parametrize("text", ["", "outs:\n", "outs: [\n", "no: pin\n"])
def test_a_pin_file_that_is_none(repo: Path, text: str) -> None:
    (repo / "data.dvc").write_text(text)
    with pytest.raises(DataError, match=r"data\.dvc.*dvc add data") as error:
        run(repo)
    assert "\n" not in str(error.value)
