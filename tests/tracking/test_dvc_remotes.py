"""DVC remotes for real, a folder, SFTP and WebDAV: push the data there, and a second clone gets identical bytes."""

import asyncio
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
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
from action_recognition.tracking.data_version import ensure_data

PASSWORD = "a password of the test"
OVERRIDES = ["data=hmdb51", "data.name=tiny", "data.dir=data/tiny"]


@dataclass(kw_only=True)
class Remote:
    """A remote that is up.

    Attributes:
        url: what `.dvc/config` gets.
        secrets: what a user keeps in `.dvc/config.local`.
        stop: takes it down.
        says_when_down, says_when_refused: what an error has to hold.
    """

    url: str
    says_when_down: str = "does not have it"
    says_when_refused: str = ""
    secrets: dict[str, str] = field(default_factory=dict)
    stop: Callable[[], None] = lambda: None


@contextmanager
def folder_remote(place: Path) -> Iterator[Remote]:
    yield Remote(url=str(place), stop=lambda: shutil.rmtree(place))


@contextmanager
def ssh_remote(place: Path) -> Iterator[Remote]:
    """An SFTP server on loopback that lets in one key and shows nothing outside `place`/served."""
    served, key = place / "served", asyncssh.generate_private_key("ssh-ed25519")
    served.mkdir(parents=True)
    key.write_private_key(place / "id")
    (place / "authorized").write_bytes(key.export_public_key())
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def listen() -> asyncssh.SSHAcceptor:
        return await asyncssh.listen(
            "127.0.0.1",
            0,
            server_host_keys=[asyncssh.generate_private_key("ssh-ed25519")],
            authorized_client_keys=str(place / "authorized"),
            sftp_factory=lambda channel: asyncssh.SFTPServer(channel, chroot=str(served).encode()),
        )

    async def close() -> None:
        server.close()
        await server.wait_closed()

    server = asyncio.run_coroutine_threadsafe(listen(), loop).result(20)
    stop = once(lambda: asyncio.run_coroutine_threadsafe(close(), loop).result(20))
    try:
        url = f"ssh://me@127.0.0.1:{server.get_port()}/store"
        yield Remote(
            url=url,
            secrets={"keyfile": str(place / "id")},
            stop=stop,
            says_when_down="Connect call failed",
            says_when_refused="Permission denied for user me",
        )
    finally:
        stop()
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
    stop = once(server.stop)
    try:
        url = f"webdav://127.0.0.1:{server.bind_addr[1]}/store"
        yield Remote(
            url=url,
            secrets={"user": "me", "password": PASSWORD},
            stop=stop,
            says_when_down="Connection refused",
            says_when_refused="401",
        )
    finally:
        stop()
        thread.join(20)


def once(function: Callable[[], None]) -> Callable[[], None]:
    stack = ExitStack()
    stack.callback(function)
    return stack.close


REMOTES = {"folder": folder_remote, "ssh": ssh_remote, "webdav": webdav_remote}


@pytest.fixture
def remote(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Remote]:
    with REMOTES[request.param](tmp_path / "remote") as running:
        yield running


@pytest.fixture(autouse=True)
def own_dvc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the caches nor the settings nor the SSH keys of whoever runs the tests."""
    for name in ("SITE_CACHE", "GLOBAL_CONFIG", "SYSTEM_CONFIG"):
        monkeypatch.setenv(f"DVC_{name}_DIR", str(tmp_path / name))
    monkeypatch.setenv("DVC_NO_ANALYTICS", "1")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)


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


def set_remote(repo: Path, remote: Remote) -> None:
    """What the documented `dvc remote add` and `dvc remote modify --local` write."""
    with Repo(str(repo)) as dvc:
        with dvc.config.edit("repo") as settings:
            settings["core"] = {"remote": "shared"}
            settings["remote"] = {"shared": {"url": remote.url}}
        if remote.secrets:
            with dvc.config.edit("local") as settings:
                settings["remote"] = {"shared": remote.secrets}


def publish(origin: Path, remote: Remote) -> None:
    """Push the data to the remote, and the pin and the remote's URL to git."""
    set_remote(origin, remote)
    with Repo(str(origin)) as dvc:
        assert dvc.push()
    git(origin, "add", ".dvc/config", ".dvc/.gitignore", "data.dvc", ".gitignore")
    git(origin, "commit", "-q", "-m", "Pin the tiny set")


def clone(origin: Path, remote: Remote, name: str) -> Path:
    """A second checkout: only what git carries, and the secrets that each user sets."""
    copy = origin.with_name(name)
    git(origin, "clone", "-q", str(origin), str(copy))
    assert not (copy / "data").exists()
    set_remote(copy, remote)
    git(copy, "diff", "--exit-code")
    return copy


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("remote", REMOTES, indirect=True)
def test_a_second_clone_gets_identical_bytes(
    remote: Remote, origin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(origin, remote)
    expected = contents(origin / "data")
    assert len(expected) == 24 + 6

    trained = clone(origin, remote, "trained")
    monkeypatch.chdir(trained)
    lines: list[str] = []
    state = ensure_data(load_config(OVERRIDES), repo=trained, progress=lines.append)
    assert state.status == "pulled"
    assert any("from DVC remote shared" in line for line in lines)
    assert contents(trained / "data") == expected
    assert ensure_data(load_config(OVERRIDES), repo=trained).status == "clean"

    pulled = clone(origin, remote, "pulled")
    monkeypatch.chdir(pulled)
    with Repo() as dvc:
        dvc.pull(targets=["data.dvc"])
    assert contents(pulled / "data") == expected


@pytest.mark.parametrize("remote", ["folder"], indirect=True)
def test_the_clip_store_is_one_artefact(
    remote: Remote, origin: Path, run_cli: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pinned, pushed, and pulled by a clone that then has nothing to decode."""
    shutil.copy(ROOT / ".dvcignore", origin)
    overrides = [
        *OVERRIDES,
        f"data.dir={origin}/data/tiny",
        f"data.cache.dir={origin}/store/tiny",
        "data.cache.codec=raw",
    ]
    assert run_cli("cache-data", *overrides).code == 0
    monkeypatch.chdir(origin)
    with Repo() as dvc:
        dvc.add("store/tiny")
    git(origin, "add", "store/tiny.dvc", ".dvcignore")
    publish(origin, remote)
    copy = clone(origin, remote, "copy")
    monkeypatch.chdir(copy)
    with Repo() as dvc:
        dvc.pull(targets=["data.dvc", "store/tiny.dvc"])
    clips = {path.name: path.read_bytes() for path in (origin / "store/tiny").rglob("*.clip")}
    assert len(clips) == 24
    assert {path.name: path.read_bytes() for path in (copy / "store/tiny").rglob("*.clip")} == clips
    again = run_cli("cache-data", *(word.replace(str(origin), str(copy)) for word in overrides))
    assert "0 clips built" in again.out
    assert "24 reused" in again.out


@pytest.mark.parametrize("remote", REMOTES, indirect=True)
def test_a_remote_that_is_down_is_one_line_and_touches_nothing(
    remote: Remote, origin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(origin, remote)
    copy = clone(origin, remote, "copy")
    monkeypatch.chdir(copy)
    remote.stop()
    (copy / "data/mine").mkdir(parents=True)
    (copy / "data/mine/x.avi").write_text("not pinned")
    with pytest.raises(DataError, match=r"data\.videos_dir=data/tiny/videos: missing.*DVC remote shared") as error:
        ensure_data(load_config(OVERRIDES), repo=copy)
    assert remote.says_when_down in str(error.value)
    assert "\n" not in str(error.value)
    assert contents(copy / "data") == {"mine/x.avi": b"not pinned"}


@pytest.mark.parametrize("remote", ["ssh", "webdav"], indirect=True)
def test_a_wrong_key_or_password_is_one_line(
    remote: Remote, origin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(origin, remote)
    asyncssh.generate_private_key("ssh-ed25519").write_private_key(tmp_path / "other")
    wrong = {"keyfile": str(tmp_path / "other"), "password": "wrong"}
    remote.secrets = {name: wrong.get(name, value) for name, value in remote.secrets.items()}
    copy = clone(origin, remote, "copy")
    monkeypatch.chdir(copy)
    with pytest.raises(DataError, match="DVC remote shared") as error:
        ensure_data(load_config(OVERRIDES), repo=copy)
    assert remote.says_when_refused in str(error.value)
    assert "\n" not in str(error.value)
