"""Small git repositories with data that DVC pins."""

import subprocess
from pathlib import Path

from dvc.repo import Repo

FILES = {f"data/demo/videos/{label}/{n}.avi": f"{label} {n}" for label in ("run", "walk") for n in range(3)}
FILES["data/demo/splits/run_test_split1.txt"] = "0.avi 1\n"
MINE = {"data/mine/x.avi": "not pinned"}


def write(repo: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (repo / name).parent.mkdir(parents=True, exist_ok=True)
        (repo / name).write_text(text)


def contents(repo: Path) -> dict[str, str]:
    return {p.relative_to(repo).as_posix(): p.read_text() for p in (repo / "data").rglob("*") if p.is_file()}


def git(repo: Path, *words: str) -> str:
    who = ("-c", "user.name=test", "-c", "user.email=test@localhost")
    return subprocess.run(["git", *who, *words], cwd=repo, check=True, capture_output=True, text=True).stdout.strip()


def dvc_add(repo: Path, name: str = "data") -> None:
    with Repo(str(repo)) as dvc:
        dvc.add(str(repo / name))


def dvc_push(repo: Path) -> None:
    with Repo(str(repo)) as dvc:
        assert dvc.push(remote="shared")


def set_remote(repo: Path, url: str | Path, *, default: bool = True, **secrets: str) -> None:
    """What the documented `dvc remote add` and `dvc remote modify --local` write."""
    remote = "['remote \"shared\"']\n"
    core = "[core]\n    remote = shared\n" if default else ""
    local = "".join(f"    {key} = {value}\n" for key, value in secrets.items())
    write(repo, {".dvc/config": f"{core}{remote}    url = {url}\n", ".dvc/config.local": f"{remote}{local}"})
