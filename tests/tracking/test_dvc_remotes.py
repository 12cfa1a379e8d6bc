"""Data pushed to real DVC remotes (SFTP, WebDAV): a second clone gets identical bytes."""

import asyncio
import re
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import asyncssh
import pytest
from cheroot.wsgi import Server
from dvc.repo import Repo
from helpers.dvc_repos import FILES, MINE, contents, dvc_add, dvc_push, git, set_remote, write
from helpers.support import ROOT
from wsgidav.wsgidav_app import WsgiDAVApp

from action_recognition.config import load_config
from action_recognition.errors import DataError
from action_recognition.tracking.data_version import ensure_data


class Remote(NamedTuple):
    """A remote, the secrets that users keep in `.dvc/config.local`, and the expected text of errors."""

    url: str
    secrets: dict[str, str]
    wrong_secrets: dict[str, str]
    says_when_refused: str
    says_when_down: str


@contextmanager
def ssh_remote(place: Path) -> Iterator[Remote]:
    """An SFTP server on loopback that accepts one key and serves `place`/served alone."""
    (place / "served").mkdir(parents=True)
    key, other, of_host = (asyncssh.generate_private_key("ssh-ed25519") for _ in range(3))
    key.write_private_key(place / "id")
    other.write_private_key(place / "other")
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def listen() -> asyncssh.SSHAcceptor:
        return await asyncssh.listen(
            "127.0.0.1",
            0,
            server_host_keys=[of_host],
            authorized_client_keys=asyncssh.import_authorized_keys(key.export_public_key().decode()),
            sftp_factory=lambda channel: asyncssh.SFTPServer(channel, chroot=str(place / "served").encode()),
        )

    server = asyncio.run_coroutine_threadsafe(listen(), loop).result(20)
    try:
        url = f"ssh://me@127.0.0.1:{server.get_port()}/store"
        secrets, wrong = {"keyfile": str(place / "id")}, {"keyfile": str(place / "other")}
        yield Remote(url, secrets, wrong, "Permission denied for user me", "Connect call failed")
    finally:
        loop.call_soon_threadsafe(server.close)
        asyncio.run_coroutine_threadsafe(server.wait_closed(), loop).result(20)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(20)
        loop.close()


@contextmanager
def webdav_remote(place: Path) -> Iterator[Remote]:
    """A WebDAV server on loopback that asks for a name and a password."""
    (place / "store").mkdir(parents=True)  # DVC makes the folders below the URL, not the URL's own
    secrets = {"user": "me", "password": "a password of the test"}
    users = {"me": {"password": secrets["password"]}}
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
        url = f"webdav://127.0.0.1:{server.bind_addr[1]}/store"
        yield Remote(url, secrets, secrets | {"password": "wrong"}, "401", "Connection refused")
    finally:
        server.stop()
        thread.join(20)


def clone(origin: Path, name: str) -> Path:
    """A second checkout: only what git carries."""
    copy = origin.with_name(name)
    git(origin, "clone", "-q", str(origin), str(copy))
    assert not (copy / "data").exists()
    return copy


@pytest.mark.parametrize("serve", [ssh_remote, webdav_remote])
def test_a_second_clone_gets_identical_bytes_once_it_is_let_in(
    serve: Callable[[Path], AbstractContextManager[Remote]],
    repo: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A wrong key or password, and a server that is down, are one line each and change nothing."""
    lines: list[str] = []

    def ensure(copy: Path) -> str:
        monkeypatch.chdir(copy)
        return ensure_data(load_config(), repo=copy, progress=lines.append).status

    with serve(tmp_path / "remote") as remote:
        set_remote(repo, remote.url, **remote.secrets)
        dvc_push(repo)
        git(repo, "commit", "-qam", "Name the remote")
        copy, late = clone(repo, "copy"), clone(repo, "late")
        set_remote(copy, remote.url, **remote.wrong_secrets)
        with pytest.raises(DataError, match="DVC remote shared") as refused:
            ensure(copy)
        set_remote(copy, remote.url, **remote.secrets)
        git(copy, "diff", "--exit-code")
        assert ensure(copy) == "pulled"
        assert "fetching data/demo from DVC remote shared" in lines
        assert contents(copy) == FILES
        assert ensure(copy) == "clean"
    write(late, MINE)
    with pytest.raises(DataError, match=r"data\.videos_dir=data/demo/videos: missing.*DVC remote shared") as down:
        ensure(late)
    assert contents(late) == MINE
    assert remote.says_when_refused in str(refused.value)
    assert remote.says_when_down in str(down.value)


def test_the_clip_store_is_one_artefact(
    repo: Path, tiny_set: Path, tmp_path: Path, run_cli: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A clone pulls the pinned store from a remote, and then has nothing to decode."""

    def cache_data(project: Path) -> str:
        shutil.copytree(tiny_set, project / "data/tiny")
        places = [f"data.dir={project}/data/tiny", f"data.cache.dir={project}/store/tiny"]
        return str(run_cli("cache-data", "data=hmdb51", "data.name=tiny", "data.cache.codec=raw", *places).out)

    shutil.copy(ROOT / ".dvcignore", repo)
    assert "24 clips built" in cache_data(repo)
    monkeypatch.chdir(repo)
    dvc_add(repo, "store/tiny")
    set_remote(repo, tmp_path / "remote")
    dvc_push(repo)
    git(repo, "add", ".")
    git(repo, "commit", "-qm", "Pin the clip store")
    copy = clone(repo, "copy")
    monkeypatch.chdir(copy)
    with Repo() as dvc:
        dvc.pull(targets=["store/tiny.dvc"])
    clips, pulled = ({p.name: p.read_bytes() for p in place.rglob("store/tiny/??/*.clip")} for place in (repo, copy))
    assert len(clips) == 24
    assert pulled == clips
    assert re.search("0 clips built.*24 reused", cache_data(copy))
