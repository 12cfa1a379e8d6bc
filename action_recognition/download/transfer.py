"""One file from one HTTP mirror into a `.part` file: resumed by range, and retried when the connection drops."""

import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import requests

from action_recognition.errors import DataError
from action_recognition.utils.files import BLOCK_BYTES, check_room, read_json
from action_recognition.utils.progress import Advance

TIMEOUT_SECONDS = (10, 60)  # to connect, and between two pieces of the body
WORTH_ANOTHER_TRY = {408, 425, 429, 500, 502, 503, 504}
TRIES = 4  # in a row without a new byte, until a mirror is given up
FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 1.0, 30.0  # between tries; the wait doubles each time
Result = TypeVar("Result")
CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)$")


class MirrorError(DataError):
    """Why a mirror is given up; becomes part of the one line that names every mirror."""


class InterruptedTransferError(Exception):
    """The transfer broke off, and another try on the same mirror may work."""

    def __init__(self, reason: str, *, wait_seconds: float = 0.0) -> None:
        super().__init__(reason)
        self.wait_seconds = wait_seconds


@dataclass(frozen=True)
class Expected:
    """What the finished file must be. `digest` is hexadecimal; `digest_name` is sha256, md5 or git-sha1 (of a blob)."""

    size_bytes: int | None = None
    digest: str | None = None
    digest_name: str = "sha256"


class PartFile:
    """`<name>.part` and `<name>.part.json`: the bytes so far, and the mirror and version that they came from."""

    def __init__(self, destination: Path) -> None:
        self.destination = destination
        self.path = destination.with_name(destination.name + ".part")
        self.note_path = destination.with_name(destination.name + ".part.json")

    @property
    def size_bytes(self) -> int:
        return self.path.stat().st_size if self.path.exists() else 0

    @property
    def note(self) -> dict[str, Any]:
        return read_json(self.note_path) or {}

    def discard(self) -> None:
        # The bytes first: a note without bytes starts a new download, bytes with a wrong note do not.
        self.path.unlink(missing_ok=True)
        self.note_path.unlink(missing_ok=True)

    def is_whole(self, expected: Expected) -> bool:
        """Whether all bytes are here (the last run was stopped between the last byte and the rename)."""
        size_bytes = expected.size_bytes if expected.size_bytes is not None else self.note.get("total_bytes")
        return self.path.exists() and size_bytes == self.size_bytes

    def range_headers(self, url: str, expected: Expected) -> dict[str, str]:
        """The headers that ask `url` for the rest; none if continuing could mix two different files."""
        note = self.note
        if not self.size_bytes or not note:
            return {}
        ask = {"Range": f"bytes={self.size_bytes}-"}
        if note.get("url") == url and (validator := note.get("validator")):
            return ask | {"If-Range": validator}
        # Without a validator, or from another mirror, only a checksum can show that the halves fit.
        return ask if expected.digest else {}


def transfer(session: requests.Session, url: str, part: PartFile, expected: Expected, progress: Advance) -> None:
    """Complete `part` from `url`; raises `MirrorError` with the reason if that fails."""
    _persist(lambda: _attempt(session, url, part, expected, progress), got_bytes=lambda: part.size_bytes)


def get_json(session: requests.Session, url: str) -> tuple[Any, dict[str, dict[str, str]]]:
    """The JSON value at `url`, and the `Link` header's entries by `rel`; raises `MirrorError`."""

    def attempt() -> tuple[Any, dict[str, dict[str, str]]]:
        with _get(session, url, {"Accept": "application/json"}) as response:
            if response.status_code != 200:
                raise _bad_status(response)
            try:
                return response.json(), response.links
            except requests.JSONDecodeError:
                raise MirrorError("its listing is not JSON") from None
            except requests.RequestException as error:
                raise InterruptedTransferError(f"its listing broke off: {_short(error)}") from None

    return _persist(attempt)


def _persist(attempt: Callable[[], Result], *, got_bytes: Callable[[], int] = lambda: 0) -> Result:
    """Try until it works, or until `TRIES` failures in a row brought no new bytes."""
    failures, furthest_bytes = 0, got_bytes()
    while True:
        try:
            return attempt()
        except InterruptedTransferError as error:
            if got_bytes() > furthest_bytes:
                failures, furthest_bytes = 0, got_bytes()
            failures += 1
            if failures >= TRIES:
                raise MirrorError(f"{error}, {failures} tries") from None
            wait_seconds = max(FIRST_WAIT_SECONDS * 2 ** (failures - 1), error.wait_seconds)
            time.sleep(min(wait_seconds, LONGEST_WAIT_SECONDS))


def _get(session: requests.Session, url: str, headers: dict[str, str]) -> requests.Response:
    try:
        return session.get(url, headers=headers, stream=True, timeout=TIMEOUT_SECONDS)
    except requests.exceptions.SSLError as error:
        raise MirrorError(f"no secure connection: {_short(error)}") from None
    except (requests.ConnectionError, requests.Timeout) as error:
        raise InterruptedTransferError(f"cannot connect: {_short(error)}") from None
    except (requests.RequestException, ValueError) as error:
        raise MirrorError(_short(error)) from None


def _attempt(session: requests.Session, url: str, part: PartFile, expected: Expected, progress: Advance) -> None:
    # With compression, sizes and ranges would count other bytes than the file's.
    headers = {"Accept-Encoding": "identity"} | part.range_headers(url, expected)
    with _get(session, url, headers) as response:
        start_bytes, total_bytes = _body_range(url, response, part, asked="Range" in headers)
        _check_answer(response, part, expected, total_bytes)
        if start_bytes == 0:
            part.path.unlink(missing_ok=True)
        if total_bytes is not None:
            check_room(part.path.parent, total_bytes - start_bytes)
        note = {"url": url, "validator": _validator(response), "total_bytes": total_bytes}
        if part.note != note:
            part.note_path.write_text(json.dumps(note), encoding="utf-8")  # a partial note reads as none
        whole_bytes = expected.size_bytes if total_bytes is None else total_bytes
        _append_body(response, part, whole_bytes, progress)
    if whole_bytes is not None and part.size_bytes < whole_bytes:
        raise InterruptedTransferError(f"connection closed after {part.size_bytes} of {whole_bytes} bytes")


def _body_range(url: str, response: requests.Response, part: PartFile, *, asked: bool) -> tuple[int, int | None]:
    """Where in the file the body starts, and the size of the whole file (None: unknown)."""
    status = response.status_code
    if status == 200:
        length = response.headers.get("Content-Length", "")
        return 0, int(length) if length.isdigit() else None
    if status == 206 and asked:
        match = CONTENT_RANGE.match(response.headers.get("Content-Range", ""))
        total_bytes = int(match[3]) if match and match[3] != "*" else None
        if match and int(match[1]) == part.size_bytes and _same_version(url, response, part.note, total_bytes):
            return part.size_bytes, total_bytes
    if status in (206, 416) and asked:
        part.discard()
        raise InterruptedTransferError("it does not continue where the last download stopped")
    raise _bad_status(response)


def _same_version(url: str, response: requests.Response, note: dict[str, Any], total_bytes: int | None) -> bool:
    """Whether the headers match those of the first bytes: some servers honour Range and ignore If-Range."""
    if None not in (total_bytes, note.get("total_bytes")) and total_bytes != note["total_bytes"]:
        return False
    etag, known = response.headers.get("ETag"), str(note.get("validator"))
    return note.get("url") != url or not etag or not known.startswith('"') or etag == known


def _check_answer(response: requests.Response, part: PartFile, expected: Expected, total_bytes: int | None) -> None:
    if expected.size_bytes is not None and total_bytes not in (None, expected.size_bytes):
        raise MirrorError(f"{total_bytes} bytes, expected {expected.size_bytes}")
    if response.headers.get("Content-Encoding", "identity") != "identity":
        raise MirrorError("it sends the file compressed, so sizes cannot be checked")
    page = response.headers.get("Content-Type", "").startswith("text/html")
    if page and part.destination.suffix not in (".html", ".htm") and expected.digest is None:
        # A site that is gone often answers 200 with a page that says so.
        raise MirrorError("a web page, not the file")


def _append_body(response: requests.Response, part: PartFile, limit_bytes: int | None, progress: Advance) -> None:
    done_bytes = part.size_bytes
    try:
        with part.path.open("ab") as file:
            for block in response.iter_content(BLOCK_BYTES // 4):
                done_bytes += len(block)
                if limit_bytes is not None and done_bytes > limit_bytes:
                    raise MirrorError(f"more than the {limit_bytes} bytes it should be")
                file.write(block)
                progress(done_bytes, limit_bytes, part.destination.name)
    except requests.RequestException as error:
        total = f" of {limit_bytes}" if limit_bytes is not None else ""
        raise InterruptedTransferError(f"broke off after {done_bytes}{total} bytes: {_short(error)}") from None


def _validator(response: requests.Response) -> str | None:
    """The value for If-Range: a strong ETag, else the date."""
    etag = response.headers.get("ETag", "W/")
    return response.headers.get("Last-Modified") if etag.startswith("W/") else etag


def _bad_status(response: requests.Response) -> MirrorError | InterruptedTransferError:
    status = f"{response.status_code} {response.reason}".strip()
    if response.status_code not in WORTH_ANOTHER_TRY:
        return MirrorError(status)
    wait = response.headers.get("Retry-After", "")
    return InterruptedTransferError(status, wait_seconds=float(wait) if wait.isdigit() else 0.0)


def _short(error: Exception) -> str:
    """The innermost reason of a chain of errors, on one line."""
    inner: Any = error
    while inner.args and isinstance(getattr(inner.args[0], "reason", inner.args[0]), Exception):
        inner = getattr(inner.args[0], "reason", inner.args[0])
    text = " ".join(str(inner.args[-1] if inner.args else inner).split())
    text = re.sub(r"^HTTPS?Connection\(.*?\): ", "", text)  # the address is in the line already
    return text or type(error).__name__
