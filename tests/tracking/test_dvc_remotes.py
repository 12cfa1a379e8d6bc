"""DVC remotes for real, SFTP and WebDAV: push the data there, and a second clone gets identical bytes."""

import asyncio
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncssh
import pytest
from cheroot.wsgi import Server
from dvc.repo import Repo
from helpers.support import ROOT
from wsgidav.wsgidav_app import WsgiDAVApp

from action_recognition.config import load_config
from action_recognition.errors import DataError
from action_recognition.tracking.data_version import DvcState, ensure_data

PASSWORD = "a password of the test"
TINY = ["data=hmdb51", "data.name=tiny", "data.dir=data/tiny"]


@dataclass(kw_only=True)
class Remote:
    """A remote: what `.dvc/config` gets, what users keep in `.dvc/config.local`, and what errors have to say."""

    url: str
    secrets: dict[str, str] = field(default_factory=dict)
    wrong_secrets: dict[str, str] = field(default_factory=dict)
    says_when_refused: str = ""
    says_when_down: str = ""


@contextmanager
def ssh_remote(place: Path) -> Iterator[Remote]:
    """An SFTP server on loopback that lets in one key and shows nothing outside `place`/served."""
    served = place / "served"
    served.mkdir(parents=True)
    key, other, host_key = (asyncssh.generate_private_key("ssh-ed25519") for _ in range(3))
    key.write_private_key(place / "id")
    other.write_private_key(place / "other")
    (place / "authorized").write_bytes(key.export_public_key())
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def listen() -> asyncssh.SSHAcceptor:
        return await asyncssh.listen(
            "127.0.0.1",
            0,
            server_host_keys=[host_key],
            authorized_client_keys=str(place / "authorized"),
            sftp_factory=lambda channel: asyncssh.SFTPServer(channel, chroot=str(served).encode()),
        )

    async def close() -> None:
        server.close()
        await server.wait_closed()

    server = asyncio.run_coroutine_threadsafe(listen(), loop).result(20)
    try:
        yield Remote(
            url=f"ssh://me@127.0.0.1:{server.get_port()}/store",
            secrets={"keyfile": str(place / "id")},
            wrong_secrets={"keyfile": str(place / "other")},
            says_when_refused="Permission denied for user me",
            says_when_down="Connect call failed",
        )
    finally:
        asyncio.run_coroutine_threadsafe(close(), loop).result(20)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(20)
        loop.close()


@contextmanager
def webdav_remote(place: Path) -> Iterator[Remote]:
    """A WebDAV server on loopback that asks for a name and a password."""
    (place / "store").mkdir(parents=True)  # DVC makes the folders below the URL, not the URL's own
    users = {"me": {"password": PASSWORD}}
    app = WsgiDAVApp(
        {
            "provider_mapping": {"/": str(place)},
            "http_authenticator": {"domain_controller": None, "accept_basic": True, "default_to_digest": False},
            "simple_dc": {"user_mapping": {"/": users, "*": users}},
            "verbose": 0,
            "logging": {"enable": False},
        }
    )
    server = Server(("127.0.0.1", 0), app)
    server.prepare()
    thread = threading.Thread(target=server.serve, daemon=True)
    thread.start()
    try:
        yield Remote(
            url=f"webdav://127.0.0.1:{server.bind_addr[1]}/store",
            secrets={"user": "me", "password": PASSWORD},
            wrong_secrets={"user": "me", "password": "wrong"},
            says_when_refused="401",
            says_when_down="Connection refused",
        )
    finally:
        server.stop()
        thread.join(20)


@pytest.fixture
def origin(tiny_set: Path, tmp_path: Path) -> Path:
    """A git repository with the tiny set pinned by DVC and no remote yet."""
    repo = tmp_path / "origin"
    shutil.copytree(tiny_set, repo / "data/tiny")
    git(repo, "init", "-q", ".")
    (repo / ".gitignore").write_text("/data\n")
    with Repo.init(str(repo)) as dvc:
        dvc.add(str(repo / "data"))
    return repo


def git(repo: Path, *words: str) -> None:
    who = ("-c", "user.name=test", "-c", "user.email=test@localhost")
    subprocess.run(["git", *who, *words], cwd=repo, check=True, capture_output=True)


def set_remote(repo: Path, url: str, secrets: dict[str, str]) -> None:
    """What the documented `dvc remote add` and `dvc remote modify --local` write."""
    with Repo(str(repo)) as dvc:
        with dvc.config.edit("repo") as settings:
            settings["core"] = {"remote": "shared"}
            settings["remote"] = {"shared": {"url": url}}
        if secrets:
            with dvc.config.edit("local") as settings:
                settings["remote"] = {"shared": secrets}


def publish(origin: Path, remote: Remote) -> None:
    """Push the data to the remote, and the pin and the remote's URL to git."""
    set_remote(origin, remote.url, remote.secrets)
    with Repo(str(origin)) as dvc:
        assert dvc.push()
    git(origin, "add", ".dvc/config", ".dvc/.gitignore", "data.dvc", ".gitignore")
    git(origin, "commit", "-q", "-m", "Pin the tiny set")


def clone(origin: Path, name: str) -> Path:
    """A second checkout: only what git carries."""
    copy = origin.with_name(name)
    git(origin, "clone", "-q", str(origin), str(copy))
    assert not (copy / "data").exists()
    return copy


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("serve", [ssh_remote, webdav_remote])
def test_a_second_clone_gets_identical_bytes_once_it_is_let_in(
    serve: Callable[[Path], AbstractContextManager[Remote]],
    origin: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A wrong key or password, and a server that is down, are one line each and touch nothing."""

    def ensure(copy: Path) -> DvcState:
        monkeypatch.chdir(copy)
        return ensure_data(load_config(TINY), repo=copy, progress=lines.append)

    lines: list[str] = []
    with serve(tmp_path / "remote") as remote:
        publish(origin, remote)
        copy = clone(origin, "copy")
        set_remote(copy, remote.url, remote.wrong_secrets)
        with pytest.raises(DataError, match="DVC remote shared") as refused:
            ensure(copy)
        set_remote(copy, remote.url, remote.secrets)
        git(copy, "diff", "--exit-code")
        assert ensure(copy).status == "pulled"
        assert "fetching data/tiny from DVC remote shared" in lines
        assert contents(copy / "data") == contents(origin / "data")
        assert len(contents(copy / "data")) == 24 + 6
        assert ensure(copy).status == "clean"

    late = clone(origin, "late")
    (late / "data/mine").mkdir(parents=True)
    (late / "data/mine/x.avi").write_text("not pinned")
    with pytest.raises(DataError, match=r"data\.videos_dir=data/tiny/videos: missing.*DVC remote shared") as down:
        ensure(late)
    assert contents(late / "data") == {"mine/x.avi": b"not pinned"}
    assert remote.says_when_refused in str(refused.value)
    assert remote.says_when_down in str(down.value)
    assert "\n" not in f"{refused.value}{down.value}"


def test_the_clip_store_is_one_artefact(
    origin: Path, tmp_path: Path, run_cli: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pinned, pushed to a folder, and pulled by a clone that then has nothing to decode."""
    shutil.copy(ROOT / ".dvcignore", origin)
    overrides = [*TINY, f"data.dir={origin}/data/tiny", f"data.cache.dir={origin}/store/tiny", "data.cache.codec=raw"]
    assert run_cli("cache-data", *overrides).code == 0
    monkeypatch.chdir(origin)
    with Repo() as dvc:
        dvc.add("store/tiny")
    git(origin, "add", "store/tiny.dvc", ".dvcignore")
    publish(origin, Remote(url=str(tmp_path / "remote")))
    copy = clone(origin, "copy")
    monkeypatch.chdir(copy)
    with Repo() as dvc:
        dvc.pull(targets=["data.dvc", "store/tiny.dvc"])
    clips = {path.name: path.read_bytes() for path in (origin / "store/tiny").rglob("*.clip")}
    assert len(clips) == 24
    assert {path.name: path.read_bytes() for path in (copy / "store/tiny").rglob("*.clip")} == clips
    again = run_cli("cache-data", *(word.replace(str(origin), str(copy)) for word in overrides))
    assert "0 clips built" in again.out
    assert "24 reused" in again.out
