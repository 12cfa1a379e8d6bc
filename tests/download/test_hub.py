"""Files of the hub: a real HTTP server on loopback that lists and serves them as the hub does."""

from pathlib import Path
from urllib.parse import unquote

import pytest
from helpers.mirror_server import DATA, Server, add_tree
from helpers.support import files_in

from action_recognition.download.hub import fetch_from_hub
from action_recognition.download.transfer import MirrorError

REPO = "Lab/HMDB51"
TREE = {
    "README.md": b"# HMDB51\n",
    "videos/wave/a # & ( ) ! ; [ ] ~ @ + ' %41 é?_wave_1.avi": DATA,
    "videos/run/b.avi": DATA[::-1],
    "empty.txt": b"",
}


@pytest.fixture
def hub(server: Server) -> str:
    return add_tree(server, REPO, TREE)


def test_all_files_over_several_pages(server: Server, hub: str, tmp_path: Path) -> None:
    seen: list[tuple[int, int | None, str]] = []
    out, total = tmp_path / "hub", sum(map(len, TREE.values()))
    paths = fetch_from_hub(REPO, out, hub=hub, progress=lambda *report: seen.append(report))
    assert paths == [out / name for name in TREE]
    assert files_in(out) == TREE
    assert seen[-1] == (total, total, "hub")
    server.seen.clear()
    assert fetch_from_hub(REPO, out, hub=hub) == paths
    assert server.seen == []


def test_pattern_and_revision(server: Server, hub: str, tmp_path: Path) -> None:
    server.add(f"/api/datasets/{REPO}/tree/refs%2Fpr%2F1?recursive=true", b"[]")
    fetch_from_hub(REPO, tmp_path / "hub", hub=hub, pattern="videos/run/*")
    assert sorted(files_in(tmp_path / "hub")) == ["videos/run/b.avi"]
    with pytest.raises(MirrorError, match="no file matches"):
        fetch_from_hub(REPO, tmp_path / "other", hub=hub, revision="refs/pr/1")


def test_an_interrupted_download_goes_on(server: Server, hub: str, tmp_path: Path) -> None:
    route = server.routes[f"/datasets/{REPO}/resolve/main/videos/run/b.avi"]
    route.drops = [300_000, *[0] * 9]
    with pytest.raises(MirrorError, match=r"videos/run/b\.avi: (broke off|connection closed)"):
        fetch_from_hub(REPO, tmp_path, hub=hub)
    route.drops = []
    server.seen.clear()
    fetch_from_hub(REPO, tmp_path, hub=hub)
    assert files_in(tmp_path) == TREE
    ranges = {Path(unquote(request.path)).name: request.range for request in server.seen if "resolve" in request.path}
    assert ranges["b.avi"] is not None


@pytest.mark.parametrize("name", ["README.md", "videos/run/b.avi"])
def test_a_wrong_file(server: Server, hub: str, tmp_path: Path, name: str) -> None:
    server.add(f"/datasets/{REPO}/resolve/main/{name}", bytes(len(TREE[name])))
    with pytest.raises(MirrorError, match=r"(git-sha1|sha256) \w+\.\.\., expected"):
        fetch_from_hub(REPO, tmp_path, hub=hub)
    assert not (tmp_path / name).exists()


@pytest.mark.parametrize("path", ["../out.txt", "/out.txt", "videos/../../out.txt", "./a", ".fetched.json"])
def test_names_that_lead_out(server: Server, tmp_path: Path, path: str) -> None:
    hub = add_tree(server, REPO, TREE, entry={"type": "file", "path": path, "size": 1, "oid": "0" * 40})
    with pytest.raises(MirrorError, match="its listing has "):
        fetch_from_hub(REPO, tmp_path / "a/hub", hub=hub)
    assert files_in(tmp_path) == {}


def test_listings_that_make_no_sense(server: Server, tmp_path: Path) -> None:
    address = f"/api/datasets/{REPO}/tree/main?recursive=true"
    again = {"Link": f'<{server.url}{address}>; rel="next"'}
    for body, headers, reason in (
        (b"<html>", {}, "its listing is not JSON"),
        (b'{"error": "gone"}', {}, "its listing is not a list of files"),
        (b'[{"type": "file"}]', {}, "its listing is not a list of files"),
        (b"[]", again, "its listing has an endless loop of pages"),
        (None, {}, "404 Not Found"),
    ):
        server.routes.clear()
        if body is not None:
            server.add(address, body, headers=headers)
        with pytest.raises(MirrorError, match=reason):
            fetch_from_hub(REPO, tmp_path, hub=server.url)
