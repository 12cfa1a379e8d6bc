"""All files of a data set repository on the Hugging Face hub (or a server with the same two addresses)."""

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, CancelledError, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

import requests

from action_recognition.download.file import LOCAL_COPY_HINT, DownloadError, fetch_unlocked, shown_mirror
from action_recognition.download.files import UnsafeNameError, check_room, inside_path, locked, read_json, write_json
from action_recognition.download.progress import Progress, silent
from action_recognition.download.transfer import PATIENT, Client, Expected, MirrorError, Retry, get_json
from action_recognition.errors import check_at_least

HUB = "https://huggingface.co"
TREE_RECEIPT = ".fetched.json"


@dataclass(frozen=True)
class TreeFile:
    """One file of the repository: its path there, and the size and checksum that the hub's listing promises."""

    path: PurePosixPath
    expected: Expected


def fetch_tree(
    repo: str,
    destination: Path,
    *,
    revision: str = "main",
    hub: str = HUB,
    include: Sequence[str] = ("*",),
    workers: int = 4,
    progress: Progress = silent,
    retry: Retry = PATIENT,
    hint: str = LOCAL_COPY_HINT,
) -> list[Path]:
    """Bring the files of data set `repo` whose path matches one of `include` (shell patterns) into `destination`.

    Each file is checked against the size and checksum in the hub's listing (sha256 of large files, git's hash of
    small ones) and resumed like `fetch` does; files that are there and right are not fetched again. Once all are
    there a receipt says so, and a later call with the same arguments asks the network nothing.

    Returns the files' paths, in the listing's order.

    Raises:
        DownloadError: the listing or a file could not be had; `failures` names the address and the reason.
        DataError: a file in the way, no room, a file name that leads out of `destination`, or another process.
    """
    check_at_least("workers", workers, 1)
    destination, hub = Path(destination), hub.rstrip("/")
    source = {"hub": hub, "repo": repo, "revision": revision, "include": list(include)}
    with locked(destination.with_name(destination.name + ".lock"), doing=f"downloading {repo}"):
        if (paths := _from_receipt(destination, source)) is not None:
            return paths
        with requests.Session() as session:
            files = list_tree(Client(session, retry), hub, repo, revision, include=include, hint=hint)
        destination.mkdir(parents=True, exist_ok=True)
        _check_tree_room(destination, files)
        base_url = f"{hub}/datasets/{quote(repo)}/resolve/{quote(revision, safe='')}/"
        total = _TotalProgress(destination.name, sum(file.expected.size_bytes or 0 for file in files), progress)
        with ThreadPoolExecutor(workers) as pool:
            _fetch_files(pool, files, destination, base_url, total, retry=retry, hint=hint)
        sizes = {str(file.path): destination.joinpath(file.path).stat().st_size for file in files}
        write_json(destination / TREE_RECEIPT, {"source": source, "files": sizes})
    return [destination.joinpath(file.path) for file in files]


def list_tree(
    client: Client,
    hub: str,
    repo: str,
    revision: str,
    *,
    include: Sequence[str] = ("*",),
    hint: str = LOCAL_COPY_HINT,
) -> list[TreeFile]:
    """The files of `repo` that match `include`, from all pages of the listing."""
    first = f"{hub}/api/datasets/{quote(repo)}/tree/{quote(revision, safe='')}?recursive=true"
    try:
        entries = [entry for page in _pages(client, first) for entry in page if entry.get("type") == "file"]
        files = [_tree_file(entry) for entry in entries]
    except (MirrorError, UnsafeNameError) as error:
        raise DownloadError(repo, [(shown_mirror(first), str(error))], hint=hint) from None
    files = [file for file in files if any(fnmatchcase(str(file.path), pattern) for pattern in include)]
    if not files or len({file.path for file in files}) < len(files):
        reason = "a file is listed twice" if files else f"no file matches {', '.join(include)}"
        raise DownloadError(repo, [(shown_mirror(first), reason)], hint=hint)
    return files


def _pages(client: Client, url: str) -> Iterator[list[dict[str, Any]]]:
    seen: set[str] = set()
    while url:
        if url in seen:
            raise MirrorError("its listing goes round in a circle")
        seen.add(url)
        page, links = get_json(client, url)
        if not isinstance(page, list) or not all(isinstance(entry, dict) for entry in page):
            raise MirrorError("its listing is not a list of files")
        yield page
        following = urljoin(url, links["next"]["url"]) if "next" in links else ""
        if following and urlsplit(following)[:2] != urlsplit(url)[:2]:
            raise MirrorError(f"its listing goes on at another server, {shown_mirror(following)}")
        url = following


def _tree_file(entry: dict[str, Any]) -> TreeFile:
    path, size_bytes, lfs = entry.get("path"), entry.get("size"), entry.get("lfs")
    if not isinstance(path, str) or not isinstance(size_bytes, int):
        raise MirrorError(f"its listing has a file without path or size ({str(entry)[:80]})")
    if inside_path(path).as_posix() != path or path == TREE_RECEIPT:
        raise UnsafeNameError(f"{path!r}: a file name that cannot be kept")
    if isinstance(lfs, dict):
        return TreeFile(PurePosixPath(path), Expected(lfs.get("size", size_bytes), _digest(lfs, 64)))
    return TreeFile(PurePosixPath(path), Expected(size_bytes, _digest(entry, 40), "git-sha1"))


def _digest(entry: dict[str, Any], digits: int) -> str | None:
    """The hash in `oid`, where it has the length the kind of file calls for."""
    oid = str(entry.get("oid", "")).lower().removeprefix("sha256:")
    return oid if len(oid) == digits else None


def _from_receipt(destination: Path, source: dict[str, Any]) -> list[Path] | None:
    receipt = read_json(destination / TREE_RECEIPT)
    if receipt is None or receipt.get("source") != source:
        return None
    sizes = {destination / name: size_bytes for name, size_bytes in receipt["files"].items()}
    whole = all(path.is_file() and path.stat().st_size == size_bytes for path, size_bytes in sizes.items())
    return list(sizes) if whole else None


def _check_tree_room(destination: Path, files: list[TreeFile]) -> None:
    missing = [file for file in files if not destination.joinpath(file.path).exists()]
    check_room(destination, sum(file.expected.size_bytes or 0 for file in missing))


def _fetch_files(
    pool: ThreadPoolExecutor,
    files: list[TreeFile],
    destination: Path,
    base_url: str,
    total: "_TotalProgress",
    *,
    retry: Retry,
    hint: str,
) -> None:
    """Fetch all; the first failure (or Ctrl-C) stops the other workers at their next block."""
    here = threading.local()  # a requests session is for one thread

    def fetch_one(file: TreeFile) -> None:
        report = total.of(str(file.path))
        report("", 0, None)
        if not hasattr(here, "session"):
            here.session = requests.Session()
        path = destination.joinpath(file.path)
        client = Client(here.session, retry, report)
        fetch_unlocked(client, [base_url + quote(str(file.path))], path, file.expected, hint=hint)
        report("", path.stat().st_size, None)

    futures: list[Future[None]] = [pool.submit(fetch_one, file) for file in files]
    try:
        done, _ = wait(futures, return_when=FIRST_EXCEPTION)
    finally:
        total.stopped.set()
    for future in done:
        future.result()


class _TotalProgress:
    """Adds up what the workers report, so that one bar stands for the whole tree."""

    def __init__(self, what: str, total_bytes: int, progress: Progress) -> None:
        self.what, self.total_bytes, self.progress = what, total_bytes, progress
        self.done_bytes: dict[str, int] = {}
        self.sum_bytes = 0
        self.lock = threading.Lock()
        self.stopped = threading.Event()

    def of(self, path: str) -> Progress:
        def report(what: str, done_bytes: int, total_bytes: int | None) -> None:  # noqa: ARG001
            if self.stopped.is_set():
                raise CancelledError
            if what.startswith("checking "):
                return
            with self.lock:
                self.sum_bytes += done_bytes - self.done_bytes.get(path, 0)
                self.done_bytes[path] = done_bytes
                self.progress(self.what, self.sum_bytes, self.total_bytes)

        return report
