"""Unpacks an untrusted archive of videos, and the archives inside it."""

import os
import shutil
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from rich.filesize import decimal

from action_recognition.download import seven_zip
from action_recognition.download.seven_zip import (
    UNPACK_YOURSELF,
    ArchiveError,
    HostileArchiveError,
    Member,
    damaged,
    refused,
)
from action_recognition.errors import DataError
from action_recognition.utils.files import blocks_of, check_room, read_json, write_json
from action_recognition.utils.folders import move_folder
from action_recognition.utils.names import UnsafeNameError, inside_path
from action_recognition.utils.progress import Advance, silent

ARCHIVE_SUFFIXES = (".rar", ".zip", ".7z", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
RECEIPT = ".unpacked.json"
# The ratio counts only above this: small text files compress a hundredfold and are harmless.
RATIO_FREE_BYTES = 16 << 20


@dataclass(frozen=True)
class UnpackLimits:
    """The limits for one archive and the archives inside it.

    `depth` is the number of levels below the outermost archive; HMDB51's RAR in RAR has 1. `ratio` is bytes written
    per byte of the outermost archive, and counts only from 16 MiB on.
    """

    total_bytes: int = 256 << 30
    members: int = 500_000
    ratio: float = 100.0
    depth: int = 2


DEFAULT_LIMITS = UnpackLimits()


def is_archive_name(name: str) -> bool:
    """Whether a file of this name is unpacked; the `._` files that macOS writes are not archives."""
    return name.lower().endswith(ARCHIVE_SUFFIXES) and not name.startswith("._")


def unpack(
    archive: Path, destination: Path, *, limits: UnpackLimits = DEFAULT_LIMITS, progress: Advance = silent
) -> Path:
    """Unpack `archive` (RAR 4 or 5, ZIP, 7z, TAR with gzip/bzip2/xz, or a folder of those) into `destination`.

    An archive inside it becomes a folder of its own name (`wave.rar` with `a.avi` or with `wave/a.avi`: both give
    `wave/a.avi`). Everything is written to `<destination>.partial` and renamed when it is complete. A receipt in
    `destination`, `.unpacked.json`, tells a later call that there is nothing to do. Two calls must not unpack to one
    place at the same time; `download-data` holds a lock.

    Raises:
        HostileArchiveError: absolute paths, `..`, links, devices, duplicates, or more than `limits`; nothing is left.
        ArchiveError: damaged, encrypted, one volume of several, or not an archive; nothing is left.
        DataError: `destination` holds something else, or the disk is full.
    """
    archive, destination = Path(archive).absolute(), Path(destination).absolute()
    if not archive.exists():
        raise DataError(f"{archive}: no such file or folder; pass an existing one: download-data data.archive=PATH")
    if destination.is_relative_to(archive):
        raise DataError(f"{destination}: lies inside {archive}, the folder to unpack; choose another folder")
    partial = destination.with_name(destination.name + ".partial")
    try:
        if not _is_unpacked(destination, _key(archive)):
            _unpack_beside(archive, destination, partial, limits, progress)
    except ArchiveError as error:
        error.name_archive(archive)
        raise
    except OSError as error:
        reason = f"{error.strerror or error} ({error.filename or partial})"
        raise DataError(f"{destination}: {reason}; fix this and run again") from None
    return destination


def _is_unpacked(destination: Path, key: str) -> bool:
    """Whether this archive was unpacked there; raises `DataError` if the folder holds anything else."""
    if not destination.exists() or (destination.is_dir() and not any(destination.iterdir())):
        return False
    receipt = read_json(destination / RECEIPT)
    if receipt is None:
        raise DataError(
            f"{destination}: exists and was not unpacked by this command; move it away, or choose another folder, "
            "and run again"
        )
    return receipt.get("archive") == key


def _unpack_beside(archive: Path, destination: Path, partial: Path, limits: UnpackLimits, progress: Advance) -> None:
    if partial.exists() and not {child.name for child in partial.iterdir()} <= {"tree", "scratch"}:
        raise DataError(f"{partial}: not made by this command, which needs the name; move it away and run again")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        unpacking = _Unpacking(archive, partial, limits, progress)
        unpacking.tree.mkdir(parents=True)
        # Written first, so that no member can take its name.
        write_json(unpacking.tree / RECEIPT, {"archive": _key(archive)})
        unpacking.run()
        shutil.rmtree(destination, ignore_errors=True)  # empty, or unpacked from another archive
        move_folder(unpacking.tree, destination)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


class _Unpacking:
    """Fills `tree` with the content of one archive; archives inside it pass through `scratch`.

    Every byte is counted against the limits before it is written, and no existing file is opened for writing: an
    archive decides nothing but names.
    """

    def __init__(self, archive: Path, partial: Path, limits: UnpackLimits, progress: Advance) -> None:
        self.tree, self.scratch = partial / "tree", partial / "scratch"
        self.archive, self.limits, self.progress = archive, limits, progress
        self.archive_bytes = sum(path.stat().st_size for path, _ in _files_in(archive))
        self.members = self.written_bytes = self.read_bytes = self.total_bytes = 0

    def run(self) -> None:
        if not self.archive.is_dir():
            self._unpack(self.archive, PurePosixPath(), depth=0)
            return
        # The user's own folder: its files are copied, and the archives in it unpacked.
        self.total_bytes = self.archive_bytes
        check_room(self.tree, self.archive_bytes)
        for path, place in _files_in(self.archive):
            self._count_member()
            if is_archive_name(path.name):
                self._unpack(path, place, depth=1)
            else:
                with path.open("rb") as file:
                    self._write(self.tree / place, blocks_of(file), self.archive, str(place))
            self._report(path.stat().st_size)

    def _unpack(self, packed: Path, place: PurePosixPath, *, depth: int) -> None:
        """Unpack the archive `packed`, which is at `place` in the outermost one."""
        if depth > self.limits.depth:
            self._refuse(f"archives more than {self.limits.depth} deep inside one another")
        kind = seven_zip.format_of(packed)
        if kind not in seven_zip.COMPRESSED_TAR:
            self._unpack_members(packed, kind, place, depth)
            return
        tar = self.scratch / f"{depth}-tar" / packed.name
        with seven_zip.opened(packed, kind) as content:
            self._write(tar, blocks_of(content), packed, packed.name)
        self._unpack_members(tar, "tar", place, depth)
        tar.unlink()

    def _unpack_members(self, packed: Path, kind: str, place: PurePosixPath, depth: int) -> None:
        members = self._checked(packed, kind)
        base = place.parent
        if depth == 0:
            self.total_bytes = sum(member.size_bytes for member, _ in members)
        elif not all(path.parts[:1] in ((_stem(place.name),), ()) for _, path in members):
            base /= _stem(place.name)
        with seven_zip.opened(packed, kind) as content:
            for member, path in members:
                blocks = self._blocks(packed, member, content, report=depth == 0)
                if member.is_folder:
                    self._write(self.tree / base / path, None, packed, member.name)
                elif is_archive_name(path.name):
                    inner = self.scratch / str(depth + 1) / path.name
                    self._write(inner, blocks, packed, member.name)
                    self._unpack(inner, base / path, depth=depth + 1)
                    inner.unlink()
                else:
                    self._write(self.tree / base / path, blocks, packed, member.name)
            if content.read(1):
                raise damaged(packed, "more bytes than its list of members says")

    def _checked(self, packed: Path, kind: str) -> list[tuple[Member, PurePosixPath]]:
        """All members with their safe paths; raises, before anything is written, if one is forbidden."""
        checked: list[tuple[Member, PurePosixPath]] = []
        claimed_bytes = 0
        for member in seven_zip.list_members(packed, kind):
            self._count_member()
            claimed_bytes += member.size_bytes
            self._check_bytes(claimed_bytes)
            is_root = member.is_folder and member.name in (".", "./")
            try:
                checked.append((member, PurePosixPath() if is_root else inside_path(member.name)))
            except UnsafeNameError as error:
                raise HostileArchiveError(f"refused, a member of {packed.name} is {error}") from None
        check_room(self.tree, claimed_bytes)
        return checked

    def _blocks(self, packed: Path, member: Member, content: IO[bytes], *, report: bool) -> Iterator[bytes]:
        """The blocks of the next member; raises if they are fewer than its listed size."""
        size_bytes = 0
        for block in blocks_of(content, member.size_bytes):
            size_bytes += len(block)
            if report:
                self._report(len(block))
            yield block
        if size_bytes != member.size_bytes:
            raise damaged(packed, f"{member.name!r} has {size_bytes} bytes, expected {member.size_bytes}")

    def _write(self, path: Path, blocks: Iterator[bytes] | None, packed: Path, name: str) -> None:
        """Write the new file `path`; for `blocks` None, make the folder if there is none yet."""
        try:
            if blocks is None:
                path.mkdir(parents=True, exist_ok=True)
                return
            path.parent.mkdir(parents=True, exist_ok=True)
            file = path.open("xb")
        except (FileExistsError, NotADirectoryError):
            raise refused(packed, name, "in it twice, or a file and a folder at once") from None
        with file:
            for block in blocks:
                self._check_bytes(len(block))
                self.written_bytes += len(block)
                file.write(block)

    def _report(self, read_bytes: int) -> None:
        self.read_bytes += read_bytes
        self.progress(self.read_bytes, self.total_bytes, f"unpacking {self.archive.name}")

    def _count_member(self) -> None:
        self.members += 1
        if self.members > self.limits.members:
            self._refuse(f"more than {self.limits.members} members")

    def _check_bytes(self, more_bytes: int) -> None:
        """Raise if `more_bytes` more than already written would exceed a limit."""
        would_be = self.written_bytes + more_bytes
        if would_be > self.limits.total_bytes:
            self._refuse(f"unpacks to more than {decimal(self.limits.total_bytes)}")
        if would_be > max(RATIO_FREE_BYTES, self.limits.ratio * self.archive_bytes):
            self._refuse(f"unpacks to more than {self.limits.ratio:g} times its size")

    def _refuse(self, why: str) -> None:
        raise HostileArchiveError(f"refused, {why}", advice=f"if you trust it, {UNPACK_YOURSELF}")


def _stem(name: str) -> str:
    return name[: -len(next(suffix for suffix in ARCHIVE_SUFFIXES if name.lower().endswith(suffix)))]


def _files_in(folder: Path) -> Iterator[tuple[Path, PurePosixPath]]:
    """A file, or the files below a folder, with their paths in it; without hidden files and unfinished downloads."""
    if folder.is_file():
        yield folder, PurePosixPath()
    for parent, subfolders, names in os.walk(folder):
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        for name in sorted(names):
            path = Path(parent, name)
            # Links to files are followed, because this is the user's own folder.
            if path.is_file() and not name.startswith(".") and not name.endswith((".part", ".part.json", ".lock")):
                yield path, PurePosixPath(path.relative_to(folder).as_posix())


def _key(archive: Path) -> str:
    """Identifies an archive by the size and time of its files, wherever it is moved."""
    stats = [(str(place), path.stat()) for path, place in _files_in(archive)]
    text = repr([(place, stat.st_size, stat.st_mtime_ns) for place, stat in stats])
    return f"{zlib.crc32(text.encode(errors='surrogateescape')):08x}"
