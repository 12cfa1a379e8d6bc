"""A file from the first mirror that delivers it whole: resumed, checked, renamed into place only when right."""

import hashlib
import os
import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

import requests

from action_recognition.download.files import BLOCK_BYTES, check_room, file_digest, locked
from action_recognition.download.progress import Progress, silent
from action_recognition.download.transfer import PATIENT, Client, Expected, MirrorError, PartFile, Retry, transfer
from action_recognition.errors import ConfigError, DataError

LOCAL_COPY_HINT = "or get the file another way and run: download-data data.archive=PATH"
_HEX_DIGITS = {"sha256": 64, "md5": 32}


class DownloadError(DataError):
    """No mirror delivered the file. `failures` are (mirror, reason) pairs in the order they were tried."""

    def __init__(self, name: str, failures: Sequence[tuple[str, str]], *, hint: str = LOCAL_COPY_HINT) -> None:
        tried = "; ".join(f"{mirror}: {reason}" for mirror, reason in failures) or "the list of mirrors is empty"
        super().__init__(f"{name}: no mirror delivered it ({tried}); run it again to go on, {hint}")
        self.failures = list(failures)


def fetch(
    mirrors: Sequence[str],
    destination: Path,
    *,
    size: int | None = None,
    sha256: str | None = None,
    md5: str | None = None,
    progress: Progress = silent,
    retry: Retry = PATIENT,
    hint: str = LOCAL_COPY_HINT,
) -> Path:
    """Bring `destination` from the first of `mirrors` (http/https/file URLs or paths) that delivers it right.

    `size` in bytes and hexadecimal `sha256` are checked where given; `md5`, which is all that some old data sets
    publish, tells a broken file but no forged one. What an interrupted run left in `<name>.part` is continued; a
    `destination` that is there and right is left as it is.

    Raises:
        DownloadError: every mirror failed; `failures` says how each did.
        DataError: `destination` is there and is another file, the disk is full, or another process downloads it.
        ConfigError: `sha256` or `md5` is not 64 or 32 hexadecimal digits.
    """
    digest_name, digest = ("md5", md5) if sha256 is None and md5 is not None else ("sha256", sha256)
    expected = Expected(size, _checked_digest(digest_name, digest), digest_name)
    destination = Path(destination)
    lock_path = destination.with_name(destination.name + ".part.lock")
    if is_complete(destination, expected, progress=progress):
        with suppress(OSError):  # left by a run that was killed between its last two steps
            PartFile(destination).note_path.unlink(missing_ok=True)
            lock_path.unlink(missing_ok=True)
        return destination
    with locked(lock_path, doing=f"downloading {destination}"), requests.Session() as session:
        return fetch_unlocked(Client(session, retry, progress), mirrors, destination, expected, hint=hint)


def fetch_unlocked(client: Client, mirrors: Sequence[str], destination: Path, expected: Expected, *, hint: str) -> Path:
    """`fetch` for a caller that holds a lock over `destination` and has a session."""
    if is_complete(destination, expected, progress=client.progress):
        return destination
    part, failures = PartFile(destination), []
    try:
        destination.parent.mkdir(parents=True, exist_ok=True)
        for mirror in mirrors:
            try:
                _from_mirror(client, mirror, part, expected)
                return _into_place(part)
            except MirrorError as error:
                failures.append((shown_mirror(mirror), str(error)))
    except OSError as error:
        raise DataError(
            f"{destination}: cannot be written ({error.strerror or error}); what is there is kept"
        ) from None
    raise DownloadError(destination.name, failures, hint=hint)


def is_complete(destination: Path, expected: Expected, *, progress: Progress = silent) -> bool:
    """Whether `destination` is there and right; raises `DataError` where another file has its name."""
    if not destination.exists():
        return False
    if not destination.is_file():
        raise DataError(f"{destination}: a file is to be downloaded here and something else has the name; move it away")
    if wrong := _what_is_wrong(destination, expected, progress):
        raise DataError(f"{destination}: it is there and not the expected file ({wrong}); move it away and run again")
    return True


def shown_mirror(mirror: str) -> str:
    """The mirror without user name, password and query: they may be secrets."""
    try:
        url = urlsplit(mirror)
    except ValueError:
        return "a mirror that is no URL"
    if url.scheme not in ("http", "https"):
        return mirror
    return url._replace(netloc=url.netloc.rpartition("@")[2], query="", fragment="").geturl()


def _from_mirror(client: Client, mirror: str, part: PartFile, expected: Expected) -> None:
    """Bring `part` to the whole, checked file; raises `MirrorError`, with wrong bytes gone."""
    went_on = part.size_bytes > 0
    if not part.is_whole(expected):
        _transfer_any(client, mirror, part, expected)
    wrong = _what_is_wrong(part.path, expected, client.progress)
    if wrong and went_on:
        # The earlier bytes may be the wrong ones (another mirror's, or a disk's): this mirror gets a clean try.
        part.discard()
        _transfer_any(client, mirror, part, expected)
        wrong = _what_is_wrong(part.path, expected, client.progress)
    if wrong:
        part.discard()
        raise MirrorError(wrong)


def _transfer_any(client: Client, mirror: str, part: PartFile, expected: Expected) -> None:
    try:
        scheme = urlsplit(mirror).scheme.lower()
    except ValueError as error:
        raise MirrorError(str(error)) from None
    if scheme in ("http", "https"):
        transfer(client, mirror, part, expected)
    elif "://" in mirror and scheme != "file":
        raise MirrorError(f"expected a path or an http, https or file URL, not {scheme}")
    else:
        source = Path(url2pathname(urlsplit(mirror).path)) if scheme == "file" else Path(mirror).expanduser()
        _copy(source, part, expected, client.progress)


def _copy(source: Path, part: PartFile, expected: Expected, progress: Progress) -> None:
    if not source.is_file():
        raise MirrorError("a folder, not a file" if source.is_dir() else "no such file")
    total_bytes = source.stat().st_size
    if expected.size_bytes not in (None, total_bytes):
        raise MirrorError(f"{total_bytes} bytes, expected {expected.size_bytes}")
    part.discard()
    check_room(part.path.parent, total_bytes)
    with source.open("rb") as from_file, part.path.open("wb") as to_file:
        while block := from_file.read(BLOCK_BYTES * 4):
            to_file.write(block)
            progress(part.destination.name, to_file.tell(), total_bytes)


def _into_place(part: PartFile) -> Path:
    with part.path.open("rb+") as file:
        os.fsync(file.fileno())  # the name must not outlive a power cut that the bytes did not
    part.path.replace(part.destination)
    part.note_path.unlink(missing_ok=True)
    return part.destination


def _what_is_wrong(path: Path, expected: Expected, progress: Progress) -> str:
    """How the file differs from what was expected; empty where it does not."""
    size_bytes = path.stat().st_size
    if expected.size_bytes not in (None, size_bytes):
        return f"{size_bytes} bytes, expected {expected.size_bytes}"
    if expected.digest is None:
        return ""
    what = f"checking {path.name.removesuffix('.part')}"
    digest = file_digest(
        path, _new_digest(expected, size_bytes), progress=lambda done_bytes: progress(what, done_bytes, size_bytes)
    )
    if digest != expected.digest:
        return f"{expected.digest_name} {digest[:12]}..., expected {expected.digest[:12]}..."
    return ""


def _new_digest(expected: Expected, size_bytes: int) -> Any:
    if expected.digest_name == "git-sha1":
        return hashlib.sha1(b"blob %d\0" % size_bytes, usedforsecurity=False)
    return hashlib.md5(usedforsecurity=False) if expected.digest_name == "md5" else hashlib.sha256()


def _checked_digest(name: str, digest: str | None) -> str | None:
    if digest is None:
        return None
    lowered, digits = digest.strip().lower(), _HEX_DIGITS[name]
    if not re.fullmatch(f"[0-9a-f]{{{digits}}}", lowered):
        raise ConfigError(f"{name}={digest}: expected {digits} hexadecimal digits; see data.mirrors in conf/data/")
    return lowered
