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

from action_recognition.download.fetch import fetch
from action_recognition.download.transfer import Expected, MirrorError, get_json
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
) -> list[Path]:
    """Download the files of data set `repo` whose path matches the shell pattern `pattern` into `destination`.

    Each file is checked against the size and checksum in the hub's listing (SHA-256 of large files, Git's hash of
    small ones) and resumed as in `fetch`; complete files are not fetched again. Once all are complete, a receipt is
    written, and a later call with the same arguments makes no network requests.

    Returns:
        The files' paths, in the listing's order.

    Raises:
        MirrorError: the listing or a file cannot be downloaded, or a file name leads out of `destination`.
        DataError: a file is in the way, or the disk is full.
    """
    hub = hub.rstrip("/")
    wanted = {"hub": hub, "repo": repo, "revision": revision, "pattern": pattern}
    if paths := _from_receipt(destination, wanted):
        return paths
    with requests.Session() as session:
        files = _list_files(session, hub, repo, revision, pattern)
    destination.mkdir(parents=True, exist_ok=True)
    sizes = {path: expected.size_bytes or 0 for path, expected in files.items()}
    check_room(destination, sum(size for path, size in sizes.items() if not (destination / path).exists()))
    base_url = f"{hub}/datasets/{quote(repo)}/resolve/{quote(revision, safe='')}/"
    _fetch_all(files, base_url, destination, progress)
    sizes = {path: (destination / path).stat().st_size for path in files}
    write_json(destination / RECEIPT, {"wanted": wanted, "files": list(sizes.items())})
    return [destination / path for path in files]


def _from_receipt(destination: Path, wanted: dict[str, str]) -> list[Path]:
    """The files of an earlier call with the same arguments, if all of them are still there."""
    receipt = read_json(destination / RECEIPT)
    if receipt is None or receipt.get("wanted") != wanted:
        return []
    sizes = {destination / name: size_bytes for name, size_bytes in receipt["files"]}
    whole = all(path.is_file() and path.stat().st_size == size_bytes for path, size_bytes in sizes.items())
    return list(sizes) if whole else []


def _list_files(session: requests.Session, hub: str, repo: str, revision: str, pattern: str) -> dict[str, Expected]:
    """The matching paths, with the size and checksum in the hub's listing."""
    url = f"{hub}/api/datasets/{quote(repo)}/tree/{quote(revision, safe='')}?recursive=true"
    files: dict[str, Expected] = {}
    try:
        for entry in _entries(session, url):
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


def _entries(session: requests.Session, url: str) -> Iterator[dict[str, Any]]:
    seen: set[str] = set()
    while url:
        if url in seen:
            raise MirrorError("its listing has an endless loop of pages")
        seen.add(url)
        page, links = get_json(session, url)
        yield from page
        url = urljoin(url, links["next"]["url"]) if "next" in links else ""


def _expected(entry: dict[str, Any]) -> Expected:
    lfs = entry.get("lfs")
    digits, digest_name = (64, "sha256") if lfs else (40, "git-sha1")
    digest = str((lfs or entry).get("oid", "")).lower().removeprefix("sha256:")
    return Expected(int((lfs or entry)["size"]), digest if len(digest) == digits else None, digest_name)


def _fetch_all(files: dict[str, Expected], base_url: str, destination: Path, progress: Advance) -> None:
    """Fetch in threads and report the sum of the bytes; the first failure, or Ctrl-C, stops all at their next block."""
    total_bytes = sum(expected.size_bytes or 0 for expected in files.values())
    done_bytes: dict[str, int] = {}
    lock, stopped = threading.Lock(), threading.Event()
    local = threading.local()  # a requests session is for one thread

    def report(path: str, done: int) -> None:
        if stopped.is_set():
            raise CancelledError
        with lock:
            done_bytes[path] = done
            progress(sum(done_bytes.values()), total_bytes, destination.name)

    def fetch_one(path: str) -> None:
        def advance(done: int, total: int | None, note: str = "") -> None:  # noqa: ARG001
            if not note.startswith("checking "):
                report(path, done)

        report(path, 0)
        if not hasattr(local, "session"):
            local.session = requests.Session()
        url, target = base_url + quote(path), destination / path
        try:
            fetch(url, target, files[path], session=local.session, progress=advance)
        except MirrorError as error:
            raise MirrorError(f"{path}: {error}") from None
        report(path, target.stat().st_size)

    with ThreadPoolExecutor(WORKERS) as pool:
        try:
            done, _ = wait([pool.submit(fetch_one, path) for path in files], return_when=FIRST_EXCEPTION)
        finally:
            stopped.set()
        for future in done:
            future.result()
