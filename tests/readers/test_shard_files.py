"""Shards on servers with and without ranges, on other file systems, and at places without shards."""

import importlib.util
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import fsspec
import pytest
from helpers.batches import batches_of, make_datamodule, same
from helpers.shards import contents, index_of, read, truncate

from action_recognition.errors import ConfigError, DataError, MissingLibraryError
from action_recognition.readers.shards import files


class WholeFiles(SimpleHTTPRequestHandler):
    """A server that ignores ranges, like `python -m http.server`."""

    sent: list[int]

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        path = Path(self.translate_path(self.path))
        if path.is_file():
            self._answer(200, path.read_bytes())
        else:
            self.send_error(404)

    def _answer(self, status: int, body: bytes) -> None:
        self.sent.append(len(body))
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Ranges(WholeFiles):
    """A server that honours `Range: bytes=FIRST-LAST`; it fails on every fourth request."""

    requests = 0

    def _answer(self, status: int, body: bytes) -> None:
        type(self).requests += 1
        if self.requests % 4 == 0:
            self.send_error(503)
            return
        if wanted := self.headers["Range"]:
            first, last = map(int, wanted.removeprefix("bytes=").split("-"))
            status, body = 206, body[first : last + 1]
        super()._answer(status, body)


@contextmanager
def served(folder: Path, handler: type[WholeFiles]) -> Iterator[tuple[str, list[int]]]:
    """The folder's URL, and the sizes of the answers."""
    handler.sent = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=str(folder)))
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", handler.sent
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch):
    monkeypatch.setattr(files, "FIRST_PAUSE_SECONDS", 0.01)


def test_a_server_that_falls_silent_is_given_up(shards, monkeypatch):
    class Silent(WholeFiles):
        def _answer(self, status: int, body: bytes) -> None:
            time.sleep(1)

    monkeypatch.setattr(files, "SILENCE_SECONDS", 0.05)
    with served(shards, Silent) as (url, _), pytest.raises(DataError, match=r"index.json: cannot be read \(.*[Tt]ime"):
        read(url)


def test_http_gives_the_same_batches_and_each_byte_once(shards):
    expected = batches_of(make_datamodule(read(shards)).train_dataloader())
    with served(shards, Ranges) as (url, sent):
        datamodule = make_datamodule(read(url))
        sent.clear()
        assert same(batches_of(datamodule.train_dataloader()), expected)
    assert sum(sent) == sum(s["offsets"][-1] for s in index_of(shards)["shards"] if s["split"] == "train")
    assert not Path(".cache/shards").exists()


def test_a_server_without_ranges_sends_each_shard_once_and_it_is_kept(shards):
    expected = batches_of(make_datamodule(read(shards)).train_dataloader())
    with served(shards, WholeFiles) as (url, sent):
        datamodule = make_datamodule(read(url, "data.num_workers=2"))
        sent.clear()
        for _ in range(2):
            assert same(batches_of(datamodule.train_dataloader()), expected)
    train = [s["bytes"] for s in index_of(shards)["shards"] if s["split"] == "train"]
    assert sum(train) <= sum(sent) <= 2 * sum(train)  # two workers may ask at the same time
    assert len(list(Path(".cache/shards").iterdir())) == len(train)


def test_any_file_system_that_fsspec_knows(shards):
    memory = fsspec.filesystem("memory")
    for name, content in contents(shards).items():
        memory.pipe(f"/bucket/tiny/{name}", content)
    expected = batches_of(make_datamodule(read(shards)).train_dataloader())
    for workers in (0, 2):
        datamodule = make_datamodule(read("memory://bucket/tiny", f"data.num_workers={workers}"))
        assert same(batches_of(datamodule.train_dataloader()), expected)


def test_a_driver_that_is_not_installed_is_named():
    if importlib.util.find_spec("s3fs"):
        pytest.skip("s3fs is installed")
    with pytest.raises(MissingLibraryError, match=r"s3://bucket/tiny.*pip install s3fs"):
        read("s3://bucket/tiny")


@pytest.mark.parametrize(
    ("url", "error", "line"),
    [
        ("nowhere", DataError, r"/index.json: no such file; data.shards.url names the folder"),
        ("http://127.0.0.1:9", DataError, r"127.0.0.1:9/index.json: cannot be read \(.*refused|Cannot connect"),
        ("gopher://x/y", ConfigError, r"data.shards.url=gopher://x/y.*expected a folder, http"),
        ("null", ConfigError, r"data.shards.url is not set"),
    ],
)
def test_a_place_without_shards(url, error, line, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=line):
        read(url)


def test_a_truncated_shard_behind_http(shards):
    victim = shards / "train-000001.tar"
    victim.write_bytes(truncate(victim.read_bytes()))
    for handler in (WholeFiles, Ranges):
        with served(shards, handler) as (url, _), pytest.raises(DataError, match=r"-000001.tar: not the file of index"):
            batches_of(make_datamodule(read(url)).train_dataloader())
