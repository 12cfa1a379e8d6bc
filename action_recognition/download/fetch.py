"""A file from one mirror: resumed, checked, and renamed into place once it is right."""

import hashlib
import os
import re
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

import requests

from action_recognition.download.transfer import Expected, MirrorError, PartFile, transfer
from action_recognition.errors import ConfigError, DataError
from action_recognition.utils.files import blocks_of, check_room
from action_recognition.utils.progress import Advance, silent


def expected_file(size: int | None = None, sha256: str | None = None, md5: str | None = None) -> Expected:
    """What a download must be. `md5`, all that some old data sets publish, counts only without `sha256`.

    An MD5 reveals a broken file but not a forged one.

    Raises:
        ConfigError: `sha256` or `md5` is not 64 or 32 hexadecimal digits.
    """
    name, digest = ("md5", md5) if sha256 is None and md5 is not None else ("sha256", sha256)
    if digest is not None:
        digest, digits = digest.strip().lower(), 64 if name == "sha256" else 32
        if not re.fullmatch(f"[0-9a-f]{{{digits}}}", digest):
            raise ConfigError(f"{name}={digest}: expected {digits} hexadecimal digits; see data.mirrors in conf/data/")
    return Expected(size, digest, name)


def fetch(
    mirror: str,
    destination: Path,
    expected: Expected = Expected(),  # noqa: B008  # it is frozen
    *,
    session: requests.Session | None = None,
    progress: Advance = silent,
) -> Path:
    """Download `destination` from a mirror (an http, https or file URL, or a path) and check it.

    Continues what an interrupted run left in `<name>.part`, also from another mirror if a checksum can show whether
    the halves fit. Keeps a `destination` that is already right. A `session` serves many files over one connection.

    Raises:
        MirrorError: why the mirror did not deliver it.
        DataError: `destination` is another file, it cannot be written, or the disk is full.
    """
    if session is None:
        with requests.Session() as session:
            return fetch(mirror, destination, expected, session=session, progress=progress)
    if destination.exists():
        if not destination.is_file():
            raise DataError(f"{destination}: a folder has the name of the file to download; move it away")
        if wrong := _what_is_wrong(destination, expected, progress):
            raise DataError(f"{destination}: exists and is not the expected file ({wrong}); move it away and run again")
        return destination
    part = PartFile(destination)
    try:
        destination.parent.mkdir(parents=True, exist_ok=True)
        _fill(session, mirror, part, expected, progress)
        with part.path.open("rb+") as file:
            os.fsync(file.fileno())  # after a power cut there must be no name without its bytes
        part.path.replace(destination)
        part.note_path.unlink(missing_ok=True)
    except OSError as error:
        reason = f"cannot be written ({error.strerror or error})"
        raise DataError(f"{destination}: {reason}; existing bytes are kept") from None
    return destination


def shown_mirror(mirror: str) -> str:
    """The mirror without user name, password and query, which may be secret."""
    try:
        url = urlsplit(mirror)
    except ValueError:
        return "a mirror that is no URL"
    if url.scheme not in ("http", "https"):
        return mirror
    return url._replace(netloc=url.netloc.rpartition("@")[2], query="", fragment="").geturl()


def _fill(session: requests.Session, mirror: str, part: PartFile, expected: Expected, progress: Advance) -> None:
    """Complete and check `part`; raises `MirrorError` after deleting wrong bytes."""
    while True:
        resumed = part.size_bytes > 0
        if not part.is_whole(expected):
            _transfer_any(session, mirror, part, expected, progress)
        wrong = _what_is_wrong(part.path, expected, progress)
        if not wrong:
            return
        part.discard()
        if not resumed:  # otherwise the earlier bytes may be the wrong ones, and this mirror gets a clean try
            raise MirrorError(wrong)


def _transfer_any(
    session: requests.Session, mirror: str, part: PartFile, expected: Expected, progress: Advance
) -> None:
    try:
        scheme = urlsplit(mirror).scheme.lower()
    except ValueError as error:
        raise MirrorError(str(error)) from None
    if scheme in ("http", "https"):
        transfer(session, mirror, part, expected, progress)
    elif "://" in mirror and scheme != "file":
        raise MirrorError(f"expected a path or an http, https or file URL, not {scheme}")
    else:
        local = Path(url2pathname(urlsplit(mirror).path)) if scheme == "file" else Path(mirror).expanduser()
        _copy(local, part, expected, progress)


def _copy(local: Path, part: PartFile, expected: Expected, progress: Advance) -> None:
    if not local.is_file():
        raise MirrorError("a folder, not a file" if local.is_dir() else "no such file")
    total_bytes = local.stat().st_size
    if expected.size_bytes not in (None, total_bytes):
        raise MirrorError(f"{total_bytes} bytes, expected {expected.size_bytes}")
    part.discard()
    check_room(part.path.parent, total_bytes)
    with local.open("rb") as from_file, part.path.open("wb") as to_file:
        for block in blocks_of(from_file):
            to_file.write(block)
            progress(to_file.tell(), total_bytes, part.destination.name)


def _what_is_wrong(path: Path, expected: Expected, progress: Advance) -> str:
    """How the file differs from what was expected; empty if it does not."""
    size_bytes, name = path.stat().st_size, expected.digest_name
    if expected.size_bytes not in (None, size_bytes):
        return f"{size_bytes} bytes, expected {expected.size_bytes}"
    if expected.digest is None:
        return ""
    digest = hashlib.new(name.removeprefix("git-"), usedforsecurity=False)
    if name == "git-sha1":
        digest.update(b"blob %d\0" % size_bytes)
    with path.open("rb") as file:
        for block in blocks_of(file):
            digest.update(block)
            progress(file.tell(), size_bytes, f"checking {path.name.removesuffix('.part')}")
    found = digest.hexdigest()
    return "" if found == expected.digest else f"{name} {found[:12]}..., expected {expected.digest[:12]}..."
