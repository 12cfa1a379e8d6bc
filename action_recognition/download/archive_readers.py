"""Reading archives without letting them write: each reader lists its members, then hands out their bytes in order."""

import bz2
import gzip
import lzma
import os
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Protocol, cast

from action_recognition.download.files import BLOCK_BYTES
from action_recognition.download.limits import UNPACK_YOURSELF, ArchiveError, HostileArchiveError

# tarfile takes a long name or a PAX header into memory whole, whatever size it claims.
LARGEST_TAR_HEADER_BYTES = 1 << 20
MOST_TAR_PADDING_BYTES = 16 << 20
TAR_ERRORS = (tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, OSError, ValueError)


@dataclass(frozen=True)
class Member:
    """One entry as the archive states it; nothing in it is trusted yet."""

    name: str
    size_bytes: int
    is_folder: bool = False
    crc32: int | None = None


Contents = Iterator[tuple[Member, Iterator[bytes]]]


class Reader(Protocol):
    """An archive for reading. `ArchiveError` where it is damaged, `HostileArchiveError` for links and devices in it."""

    def members(self) -> Iterator[Member]:
        """Every entry, one by one, so that a listing without end can be stopped."""

    def contents(self, members: list[Member]) -> Contents:
        """The files of `members` (all of them, in the order listed) with their blocks, to be read in that order."""


def damaged(path: Path, reason: object) -> ArchiveError:
    text = " ".join(str(reason).split()) or type(reason).__name__
    return ArchiveError(f"{path.name} is damaged ({text})")


def refused(path: Path, name: str, reason: str) -> HostileArchiveError:
    return HostileArchiveError(f"refused, the member {name!r} of {path.name} is {reason}")


def blocks_of(file: IO[bytes], size_bytes: int | None = None) -> Iterator[bytes]:
    """The next `size_bytes` of `file` (None: all there are), or fewer where it ends before."""
    left = size_bytes
    while left is None or left > 0:
        block = file.read(BLOCK_BYTES if left is None else min(BLOCK_BYTES, left))
        if not block:
            return
        left = None if left is None else left - len(block)
        yield block


class ZipReader:
    """ZIP, by the standard library."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def members(self) -> Iterator[Member]:
        with self._archive() as archive:
            for info in archive.infolist():
                yield self._member(info)

    def _archive(self) -> zipfile.ZipFile:
        try:
            return zipfile.ZipFile(self.path)
        except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
            raise damaged(self.path, error) from None

    def _member(self, info: zipfile.ZipInfo) -> Member:
        kind = stat.S_IFMT(info.external_attr >> 16)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise refused(self.path, info.filename, "a link or a device")
        if info.flag_bits & 1:
            raise ArchiveError(f"{self.path.name} needs a password", advice=UNPACK_YOURSELF)
        # The name as stored: zipfile cuts it at a NUL, and on Windows turns separators round.
        is_folder = info.is_dir() or kind == stat.S_IFDIR
        return Member(info.orig_filename, 0 if is_folder else info.file_size, is_folder)

    def contents(self, members: list[Member]) -> Contents:
        with self._archive() as archive:
            for member, info in zip(members, archive.infolist(), strict=True):
                if not member.is_folder:
                    yield member, self._blocks(archive, info)

    def _blocks(self, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Iterator[bytes]:
        try:
            with archive.open(info) as file:  # checks the CRC when it comes to the end
                yield from blocks_of(file)
        except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError) as error:
            raise damaged(self.path, error) from None


class TarReader:
    """TAR, plain or compressed with gzip, bzip2 or xz, by the standard library."""

    def __init__(self, path: Path, decompress: Callable[[Path], Any]) -> None:
        self.path, self.decompress = path, decompress

    def members(self) -> Iterator[Member]:
        for info, _ in self._entries():
            if not (info.isreg() or info.isdir()) or info.issparse():
                raise refused(self.path, info.name, "a link, a device or a sparse file")
            yield Member(info.name, info.size if info.isreg() else 0, info.isdir())

    def contents(self, members: list[Member]) -> Contents:
        wanted = iter(members)
        for info, archive in self._entries():
            member = next(wanted)
            if not member.is_folder:
                file = archive.extractfile(info)
                assert file is not None  # a regular file
                yield member, self._blocks(file)

    def _blocks(self, file: IO[bytes]) -> Iterator[bytes]:
        try:
            yield from blocks_of(file)
        except TAR_ERRORS as error:
            raise damaged(self.path, error) from None

    def _entries(self) -> Generator[tuple[tarfile.TarInfo, tarfile.TarFile]]:
        try:
            with self.decompress(self.path) as stream:
                bounded = _SmallReads(stream)
                with tarfile.open(fileobj=cast(IO[bytes], bounded), mode="r:") as archive:
                    while info := archive.next():
                        yield info, archive
                        archive.members = []  # type: ignore[attr-defined]  # it would keep every entry
                bounded.finish()
        except TAR_ERRORS as error:
            raise damaged(self.path, error) from None


class _SmallReads:
    """A stream that refuses the huge reads with which a hostile header would fill the memory."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream
        self.seek, self.tell = stream.seek, stream.tell
        self.last_block = b""

    def read(self, size: int) -> bytes:
        if size > LARGEST_TAR_HEADER_BYTES:
            raise tarfile.ReadError(f"a header of {size} bytes")
        self.last_block = self.stream.read(size)
        return self.last_block

    def finish(self) -> None:
        """Make sure that tarfile stopped at the end: it takes a broken header for it, and leaves checksums unread."""
        if self.last_block != bytes(tarfile.BLOCKSIZE):
            raise tarfile.ReadError("it breaks off, or a header is wrong")
        for _ in range(MOST_TAR_PADDING_BYTES // BLOCK_BYTES):
            if not self.stream.read(BLOCK_BYTES):
                return
        raise tarfile.ReadError("it goes on after its end")


class FolderReader:
    """A folder with the archives or the files in it, as if it were an archive that somebody unpacked already."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def members(self) -> Iterator[Member]:
        for folder, subfolders, names in os.walk(self.path):
            # Hidden ones are receipts, repositories and caches, never data.
            subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
            for name in sorted(names):
                file = Path(folder, name)
                # Links to files are followed: it is the user's own folder, and the hub's cache is made of them.
                if file.is_file() and not name.startswith(".") and not name.endswith((".part", ".part.json", ".lock")):
                    yield Member(file.relative_to(self.path).as_posix(), file.stat().st_size)

    def contents(self, members: list[Member]) -> Contents:
        for member in members:
            with (self.path / member.name).open("rb") as file:
                yield member, blocks_of(file)


def open_reader(path: Path) -> Reader:
    """The reader for what the file's first bytes say it is, whatever its name."""
    if path.is_dir():
        return FolderReader(path)
    with path.open("rb") as file:
        head = file.read(512)
    if head.startswith((b"Rar!\x1a\x07\x00", b"Rar!\x1a\x07\x01\x00")):
        from action_recognition.download.rar import RarReader

        return RarReader(path, "rar5" if head[6] else "rar")
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return ZipReader(path)
    for magic, decompress in ((b"\x1f\x8b", gzip.open), (b"BZh", bz2.open), (b"\xfd7zXZ\x00", lzma.open)):
        if head.startswith(magic):
            return TarReader(path, cast(Callable[[Path], Any], decompress))
    if head[257:262] == b"ustar":
        return TarReader(path, lambda path: path.open("rb"))
    known = "RAR, ZIP, or TAR (plain, gzip, bzip2 or xz)"
    if not head or head.lstrip().startswith(b"<"):
        raise ArchiveError(f"{path.name} is {'a web page' if head else 'empty'}, expected {known}")
    raise ArchiveError(f"{path.name} is of an unknown kind, expected {known}", advice=UNPACK_YOURSELF)
