import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from dvc.repo import Repo
from helpers.dvc_repos import FILES, dvc_add, git, write


@pytest.fixture(autouse=True, scope="module")
def own_dvc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Separate caches and settings, and no SSH keys of the user who runs the tests."""
    folder = tmp_path_factory.mktemp("dvc")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("SITE_CACHE", "GLOBAL_CONFIG", "SYSTEM_CONFIG"):
            patch.setenv(f"DVC_{name}_DIR", str(folder / name))
        patch.setenv("DVC_NO_ANALYTICS", "1")
        patch.setenv("HOME", str(folder / "home"))
        patch.delenv("SSH_AUTH_SOCK", raising=False)
        yield


@pytest.fixture(scope="module")
def pinned_repo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository whose data is pinned by DVC, in its cache, and in no remote."""
    repo = tmp_path_factory.mktemp("pinned")
    git(repo, "init", "-q", ".")
    with Repo.init(str(repo)):
        write(repo, FILES | {".gitignore": "/data\n"})
    dvc_add(repo)
    git(repo, "add", ".")
    git(repo, "commit", "-q", "-m", "Pin the data")
    return repo


@pytest.fixture
def repo(pinned_repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of `pinned_repo` that is the working directory."""
    copy = tmp_path / "repo"
    shutil.copytree(pinned_repo, copy)
    monkeypatch.chdir(copy)
    return copy
