"""Files of a data set repository on the Hugging Face hub, or on a server with the same two addresses.

`huggingface_hub.snapshot_download` is no replacement. It compares sizes but not checksums, returns an incomplete folder
when the hub cannot be reached, waits without a timeout for a hub that does not answer, and sends two requests per file,
which counts where the hub limits requests.
"""

import threading
from collections.abc import Iterator
from concurrent.futures import FIRST_EXCEPTION, CancelledError, ThreadPoolExecutor, wait
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any
from urllib.parse import quote, urljoin

import requests

from action_recognition.download.fetch import fetch_with
from action_recognition.download.transfer import PATIENT, Client, Expected, MirrorError, Retry, get_json
from action_recognition.utils.files import check_room, read_json, write_json
from action_recognition.utils.names import UnsafeNameError, inside_path
from action_recognition.utils.progress import Advance, silent

RECEIPT = ".fetched.json"
WORKERS = 4


def fetch_from_hub(
    repo: str,
    destination: Path,
    *,
    hub: str,
    revision: str = "main",
    pattern: str = "*",
    progress: Advance = silent,
    retry: Retry = PATIENT,
) -> list[Path]:
    """Download the files of data set `repo` whose path matches the shell pattern `pattern` into `destination`.

    Each file is checked against the size and checksum in the hub's listing (SHA-256 of large files, Git's hash of
    small ones) and resumed as `fetch` does; files that are complete are not fetched again. Once all are complete, a
    receipt says so, and a later call with the same arguments makes no network requests.

    Returns:
        The files' paths, in the listing's order.

    Raises:
        MirrorError: the listing or a file cannot be downloaded, or a file name leads out of `destination`.
        DataError: a file in the way, or no room.
    """
    hub = hub.rstrip("/")
    wanted = {"hub": hub, "repo": repo, "revision": revision, "pattern": pattern}
    if paths := _from_receipt(destination, wanted):
        return paths
    with requests.Session() as session:
        files = _list_files(Client(session, retry), hub, repo, revision, pattern)
    destination.mkdir(parents=True, exist_ok=True)
    sizes = {path: expected.size_bytes or 0 for path, expected in files.items()}
    check_room(destination, sum(size for path, size in sizes.items() if not (destination / path).exists()))
    base_url = f"{hub}/datasets/{quote(repo)}/resolve/{quote(revision, safe='')}/"
    _Workers(base_url, destination, sum(sizes.values()), progress, retry).fetch(files)
    sizes = {path: (destination / path).stat().st_size for path in files}
    write_json(destination / RECEIPT, {"wanted": wanted, "files": list(sizes.items())})
    return [destination / path for path in files]


def _from_receipt(destination: Path, wanted: dict[str, str]) -> list[Path]:
    """What an earlier call with the same arguments brought, if all of it is still there."""
    receipt = read_json(destination / RECEIPT)
    if receipt is None or receipt.get("wanted") != wanted:
        return []
    sizes = {destination / name: size_bytes for name, size_bytes in receipt["files"]}
    whole = all(path.is_file() and path.stat().st_size == size_bytes for path, size_bytes in sizes.items())
    return list(sizes) if whole else []


def _list_files(client: Client, hub: str, repo: str, revision: str, pattern: str) -> dict[str, Expected]:
    """The files that match, by their paths, with the size and checksum that the hub's listing promises."""
    url = f"{hub}/api/datasets/{quote(repo)}/tree/{quote(revision, safe='')}?recursive=true"
    files: dict[str, Expected] = {}
    try:
        for entry in _entries(client, url):
            if entry["type"] == "file" and fnmatchcase(str(entry["path"]), pattern):
                if inside_path(entry["path"]).as_posix() != entry["path"] or entry["path"] == RECEIPT:
                    raise MirrorError(f"its listing has a file name that cannot be kept, {entry['path']!r}")
                files[entry["path"]] = _expected(entry)
    except (KeyError, TypeError, ValueError, AttributeError):
        raise MirrorError("its listing is not a list of files") from None
    except UnsafeNameError as error:
        raise MirrorError(f"its listing has {error}") from None
    if not files:
        raise MirrorError(f"no file matches {pattern}")
    return files


def _entries(client: Client, url: str) -> Iterator[dict[str, Any]]:
    seen: set[str] = set()
    while url:
        if url in seen:
            raise MirrorError("its listing goes round in a circle")
        seen.add(url)
        page, links = get_json(client, url)
        yield from page
        url = urljoin(url, links["next"]["url"]) if "next" in links else ""


def _expected(entry: dict[str, Any]) -> Expected:
    lfs = entry.get("lfs")
    digits, digest_name = (64, "sha256") if lfs else (40, "git-sha1")
    digest = str((lfs or entry).get("oid", "")).lower().removeprefix("sha256:")
    return Expected(int((lfs or entry)["size"]), digest if len(digest) == digits else None, digest_name)


class _Workers:
    """Fetches files in threads; adds up their progress, so that one bar stands for all."""

    def __init__(self, base_url: str, destination: Path, total_bytes: int, progress: Advance, retry: Retry) -> None:
        self.base_url, self.destination, self.retry = base_url, destination, retry
        self.total_bytes, self.progress = total_bytes, progress
        self.done_bytes: dict[str, int] = {}
        self.sum_bytes = 0
        self.lock, self.stopped = threading.Lock(), threading.Event()
        self.local = threading.local()  # a requests session is for one thread

    def fetch(self, files: dict[str, Expected]) -> None:
        """Fetch all; the first failure (or Ctrl-C) stops the others at their next block."""
        with ThreadPoolExecutor(WORKERS) as pool:
            futures = [pool.submit(self._fetch_one, path, expected) for path, expected in files.items()]
            try:
                done, _ = wait(futures, return_when=FIRST_EXCEPTION)
            finally:
                self.stopped.set()
            for future in done:
                future.result()

    def _fetch_one(self, path: str, expected: Expected) -> None:
        def report(done: int, total: int | None, note: str = "") -> None:  # noqa: ARG001
            if not note.startswith("checking "):
                self._add(path, done)

        self._add(path, 0)
        if not hasattr(self.local, "session"):
            self.local.session = requests.Session()
        client = Client(self.local.session, self.retry, report)
        try:
            there = fetch_with(client, self.base_url + quote(path), self.destination / path, expected)
        except MirrorError as error:
            raise MirrorError(f"{path}: {error}") from None
        self._add(path, there.stat().st_size)

    def _add(self, path: str, done_bytes: int) -> None:
        if self.stopped.is_set():
            raise CancelledError
        with self.lock:
            self.sum_bytes += done_bytes - self.done_bytes.get(path, 0)
            self.done_bytes[path] = done_bytes
            self.progress(self.sum_bytes, self.total_bytes, self.destination.name)
