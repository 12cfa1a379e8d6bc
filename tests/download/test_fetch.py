"""One file from one mirror: a real HTTP server on loopback that misbehaves as mirrors do."""

import hashlib
import random
import socket
from pathlib import Path

import pytest
from helpers.mirror_server import DATA, Server

from action_recognition.download.fetch import expected_file, fetch, shown_mirror
from action_recognition.download.transfer import Expected, MirrorError
from action_recognition.errors import ConfigError, DataError

OTHER = random.Random(1).randbytes(600_000)
RIGHT = expected_file(len(DATA), hashlib.sha256(DATA).hexdigest().upper())
DATE = "Sun, 13 Mar 2011 07:06:40 GMT"


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "data" / "clips # & ( ) ! ; [ ] ~ @ + '.rar"


def assert_only(target: Path, body: bytes = DATA) -> None:
    """The file is there, right, and nothing of the download is left beside it."""
    assert target.read_bytes() == body
    assert [path.name for path in target.parent.iterdir()] == [target.name]


def reason(mirror: str, target: Path, expected: Expected | None = None) -> str:
    """Why a mirror is given up."""
    with pytest.raises(MirrorError) as raised:
        fetch(mirror, target, expected or Expected())
    assert not target.exists()
    return str(raised.value)


def leave_part(server: Server, path: str, target: Path, **options: object) -> None:
    """An unfinished download of `path`, about half of it."""

    def stop(done: int, total: int | None, note: str = "") -> None:
        if done > 300_000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(server.add(path, **options), target, progress=stop)
    assert not target.exists()
    assert target.with_name(target.name + ".part").stat().st_size > 300_000
    server.seen.clear()


def test_fetches_checks_and_reports_progress(server: Server, target: Path) -> None:
    seen: list[tuple[int, int | None, str]] = []
    url = server.add("/a.rar")
    assert fetch(url, target, RIGHT, progress=lambda *report: seen.append(report)) == target
    assert_only(target)
    assert (len(DATA), len(DATA), target.name) in seen
    assert (len(DATA), len(DATA), f"checking {target.name}") in seen
    before = target.stat().st_ino
    fetch(url, target, RIGHT)
    assert (len(server.seen), target.stat().st_ino) == (1, before)


# --- going on ---


@pytest.mark.parametrize("headers", [{"ETag": '"v1"'}, {"Last-Modified": DATE}])
def test_a_dropped_connection_is_resumed_by_range(server: Server, target: Path, headers: dict[str, str]) -> None:
    url = server.add("/a.rar", drops=[200_000, 150_000, 1], headers=headers)
    fetch(url, target)
    assert_only(target)
    assert [request.if_range for request in server.seen] == [None, *[next(iter(headers.values()))] * 3]
    starts = [int(request.range.removeprefix("bytes=")[:-1]) for request in server.seen[1:] if request.range]
    assert len(starts) == 3
    assert 0 < starts[0] <= 200_000 < starts[1] <= 350_000


@pytest.mark.parametrize(
    "habits",
    [
        {"statuses": [503, 429]},
        {"says_length": False},
        {"drops": [200_000, 300_000], "honours_range": False, "headers": {"ETag": '"v1"'}},
    ],
)
def test_servers_that_are_busy_or_know_less(server: Server, target: Path, habits: dict[str, object]) -> None:
    fetch(server.add("/a.rar", **habits), target, RIGHT)
    assert_only(target)


@pytest.mark.parametrize("honours_if_range", [True, False])
@pytest.mark.parametrize("now", [(DATA, '"v1"'), (OTHER, '"v2"'), (DATA[:1000], '"v1"')])
def test_the_next_run_continues_and_does_not_mix_versions(
    server: Server, target: Path, now: tuple[bytes, str], honours_if_range: bool
) -> None:
    leave_part(server, "/a.rar", target, headers={"ETag": '"v1"'})
    url = server.add("/a.rar", now[0], headers={"ETag": now[1]}, honours_if_range=honours_if_range)
    fetch(url, target)
    assert_only(target, now[0])
    assert server.seen[0].if_range == '"v1"'
    assert server.seen[0].range is not None
    assert (len(server.seen) == 1) == (now[0] is DATA or (now[0] is OTHER and honours_if_range))


def test_without_validator_only_a_checksum_allows_to_go_on(server: Server, target: Path) -> None:
    for expected in (expected_file(), RIGHT):
        leave_part(server, "/a.rar", target)
        fetch(server.url + "/a.rar", target, expected)
        assert (server.seen[0].range is not None) == (expected is RIGHT)
        assert_only(target)
        target.unlink()


@pytest.mark.parametrize("first", [DATA, OTHER])
def test_another_mirror_goes_on_where_the_checksum_is_known(server: Server, target: Path, first: bytes) -> None:
    assert reason(server.add("/bad/a.rar", first, drops=[300_000, 0, 0, 0], headers={"ETag": '"bad"'}), target)
    fetch(server.add("/good/a.rar", headers={"ETag": '"good"'}), target, RIGHT)
    assert_only(target)
    went_on = [request for request in server.seen if request.path.startswith("/good")]
    assert went_on[0].range is not None
    assert went_on[0].if_range is None
    assert len(went_on) == (1 if first is DATA else 2)  # the good mirror is not blamed for a wrong first half


@pytest.mark.parametrize("left", [DATA, OTHER])
def test_a_part_that_is_whole_is_only_checked(server: Server, target: Path, left: bytes) -> None:
    target.parent.mkdir()
    target.with_name(target.name + ".part").write_bytes(left)
    fetch(server.add("/a.rar"), target, RIGHT)
    assert_only(target)
    assert len(server.seen) == (left is OTHER)


# --- mirrors that do not deliver ---


def test_each_failure_has_its_reason(server: Server, target: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        assert "refused, 3 tries" in reason(f"http://127.0.0.1:{unused.getsockname()[1]}/a.rar", target)
    sums = f"sha256 {hashlib.sha256(OTHER).hexdigest()[:12]}..., expected {str(RIGHT.digest)[:12]}..."
    page = {"Content-Type": "text/html; charset=utf-8"}
    for mirror, why in {
        server.url + "/missing.rar": "404 Not Found",
        server.add("/wrong.rar", OTHER): sums,
        server.add("/busy.rar", statuses=[503] * 9): "503 Service Unavailable, 3 tries",
        server.add("/short.rar", DATA[:-1]): "599999 bytes, expected 600000",
        server.add("/more.rar", DATA + b"more", says_length=False): "more than the 600000 bytes it should be",
        "ftp://127.0.0.1/a.rar": "expected a path or an http, https or file URL, not ftp",
        "http://[bad/a.rar": "Invalid IPv6 URL",
        str(target.parent / "no.rar"): "no such file",
        str(Path.cwd()): "a folder, not a file",
    }.items():
        assert reason(mirror, target.with_name(Path(mirror).name), expected=RIGHT) == why
    cut = server.add("/cut.rar", says_length=False, drops=[100_000] * 9)
    size = expected_file(len(DATA))
    assert reason(cut, target, expected=size) == "connection closed after 100000 of 600000 bytes, 3 tries"
    assert reason(server.add("/page", b"<html>gone</html>", headers=page), target) == "a web page, not the file"


def test_a_file_larger_than_the_disk_says_so(server: Server, target: Path) -> None:
    url = server.add("/a.rar", headers={"Content-Length": str(10**18)}, says_length=False)
    with pytest.raises(DataError, match=r"are needed and .* are free"):
        fetch(url, target)
    assert list(target.parent.iterdir()) == []


def test_local_mirrors(target: Path, tmp_path: Path) -> None:
    local = tmp_path / "mine # 1.rar"
    local.write_bytes(DATA)
    for mirror in (str(local), local.as_uri()):
        fetch(mirror, target, RIGHT)
        assert_only(target)
        target.unlink()
    assert local.read_bytes() == DATA


def test_what_is_in_the_way_is_kept(server: Server, target: Path) -> None:
    url = server.add("/a.rar")
    target.parent.mkdir()
    target.write_bytes(b"mine")
    with pytest.raises(DataError, match=r"not the expected file \(4 bytes, expected 600000"):
        fetch(url, target, RIGHT)
    assert target.read_bytes() == b"mine"
    with pytest.raises(DataError, match="a folder has the name"):
        fetch(url, target.parent)
    with pytest.raises(DataError, match="cannot be written"):
        fetch(url, target / "below a file.rar")


# --- checksums ---


def test_md5_where_that_is_all_there_is(server: Server, target: Path) -> None:
    expected = expected_file(md5=hashlib.md5(DATA).hexdigest())
    assert reason(server.add("/wrong.rar", OTHER), target, expected=expected).startswith("md5 ")
    fetch(server.add("/right.rar"), target, expected)
    assert_only(target)


def test_a_checksum_that_is_none() -> None:
    with pytest.raises(ConfigError, match="sha256=123: expected 64 hexadecimal digits"):
        expected_file(sha256="123")


def test_secrets_in_urls_are_not_shown() -> None:
    assert shown_mirror("http://user:secret@host:81/a.rar?token=secret#secret") == "http://host:81/a.rar"
