"""Unpack an archive of videos, archives inside it included, without trusting it and without starting over."""

import json
import shutil
import zlib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from action_recognition.download.archive_readers import open_reader
from action_recognition.download.files import fingerprint, locked, write_json
from action_recognition.download.limits import ArchiveError, UnpackLimits
from action_recognition.download.progress import Progress, silent
from action_recognition.download.staging import RECEIPT, Staging, finished
from action_recognition.download.unpacking import Unpacking
from action_recognition.errors import DataError

DEFAULT_LIMITS = UnpackLimits()


@dataclass(frozen=True)
class Unpacked:
    """The folder with everything that was in the archive; `already_there` where nothing had to be done.

    `files` maps each file's path in the folder to its size in bytes when it was unpacked, whether or not it has been
    changed or removed since.
    """

    folder: Path
    files: dict[str, int]
    already_there: bool


def unpack(
    archive: Path, destination: Path, *, limits: UnpackLimits = DEFAULT_LIMITS, progress: Progress = silent
) -> Unpacked:
    """Unpack `archive` (RAR 4 or 5, ZIP, TAR with gzip/bzip2/xz, or a folder of those) into the new `destination`.

    An archive inside it is unpacked in its place: what lies under a folder of the archive's own name stays so, the
    rest goes into such a folder (`wave.rar` with `a.avi` or with `wave/a.avi`: both give `wave/a.avi`).

    Everything is written into `<destination>.partial` and renamed when whole. A run that was interrupted goes on
    after the last inner archive (of loose files: the last file) that was finished; a complete one does nothing.
    `destination` gets a receipt, `.unpacked.json`, by which it is recognised.

    Raises:
        HostileArchiveError: absolute paths, `..`, links, devices, duplicates, or more than `limits`; nothing is left.
        ArchiveError: damaged, encrypted, one volume of several, or no archive; nothing is left.
        DataError: `destination` holds something else, the disk is full, or another process unpacks there.
    """
    archive, destination = Path(archive).absolute(), Path(destination).absolute()
    if not archive.exists():
        raise DataError(f"{archive}: no such file or folder; pass one that is there: download-data data.archive=PATH")
    if destination.is_relative_to(archive):
        raise DataError(f"{destination}: lies inside {archive}, which is to be unpacked there; choose another folder")
    staging_path = destination.with_name(destination.name + ".partial")
    try:
        with locked(staging_path.with_name(staging_path.name + ".lock"), doing=f"unpacking into {destination}"):
            return _unpack_locked(archive, destination, staging_path, limits, progress)
    except ArchiveError as error:
        raise error.about(archive) from None
    except OSError as error:
        reason = f"{error.strerror or error} ({error.filename or staging_path})"
        raise DataError(f"{destination}: {reason}; put it right and run again, it goes on") from None


def _unpack_locked(
    archive: Path, destination: Path, staging_path: Path, limits: UnpackLimits, progress: Progress
) -> Unpacked:
    source = _identity(archive)
    files = finished(destination, source)
    already_there = files is not None
    if files is None:
        staging = Staging.open(staging_path, source)
        try:
            files = Unpacking(archive, source["size_bytes"], staging, limits, progress).run()
        except ArchiveError:
            shutil.rmtree(staging_path, ignore_errors=True)
            raise
        write_json(staging.tree / RECEIPT, {"archive": source, "files": files})
        with suppress(FileNotFoundError):
            destination.rmdir()  # it is empty, and Windows renames nothing onto it
        staging.tree.replace(destination)
    shutil.rmtree(staging_path, ignore_errors=True)
    return Unpacked(destination, files, already_there)


def _identity(archive: Path) -> dict[str, Any]:
    """What the archive is recognised by: not its path, so that it may be moved."""
    if archive.is_file():
        return {"size_bytes": archive.stat().st_size, "fingerprint": fingerprint(archive)}
    listing = [(member.name, member.size_bytes) for member in open_reader(archive).members()]
    crc = zlib.crc32(json.dumps(listing).encode())
    return {"size_bytes": sum(size_bytes for _, size_bytes in listing), "fingerprint": f"folder-{crc:08x}"}
