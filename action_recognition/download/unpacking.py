"""One run over one archive: check the whole list, then write file by file; the same again for archives inside it."""

import sys
import unicodedata
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from action_recognition.download.archive_readers import Member, Reader, damaged, open_reader, refused
from action_recognition.download.files import UnsafeNameError, check_room, inside_path
from action_recognition.download.limits import Budget, HostileArchiveError, UnpackLimits
from action_recognition.download.progress import Progress
from action_recognition.download.staging import RECEIPT, Staging

ARCHIVE_SUFFIXES = (".rar", ".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
Checked = list[tuple[Member, PurePosixPath]]


class Unpacking:
    """Fills `staging.tree` from `archive`, which is `size_bytes` long."""

    def __init__(
        self, archive: Path, size_bytes: int, staging: Staging, limits: UnpackLimits, progress: Progress
    ) -> None:
        self.archive, self.staging, self.progress = archive, staging, progress
        self.budget = Budget(limits, archive_bytes=size_bytes)
        self.done = staging.done()
        self.files: dict[str, int] = {}
        self.inner_files: dict[str, int] = {}
        self.taken: set[str] = set()
        self.read_bytes = self.total_bytes = 0

    def run(self) -> dict[str, int]:
        """The path in the tree and the bytes of every file. Raises `HostileArchiveError`, `ArchiveError`, `OSError`."""
        reader = open_reader(self.archive)
        checked = self._checked(reader, self.archive)
        self.total_bytes = sum(member.size_bytes for member, _ in checked)
        check_room(self.staging.path, self.total_bytes - self.staging.staged_bytes())
        self._unpack(reader, self.archive, checked, PurePosixPath(), depth=0)
        return self.files

    def _checked(self, reader: Reader, archive: Path) -> Checked:
        """All members with their safe paths; raises before the first byte is written if any is forbidden."""
        checked: Checked = []
        claimed_bytes = 0
        for member in reader.members():
            self.budget.add_member()
            claimed_bytes += member.size_bytes
            self.budget.check_bytes(claimed_bytes)
            is_root = member.is_folder and member.name in (".", "./")
            try:
                checked.append((member, PurePosixPath() if is_root else inside_path(member.name)))
            except UnsafeNameError as error:
                raise HostileArchiveError(f"refused, a member of {archive.name} is {error}") from None
        _check_conflicts(archive, checked)
        return checked

    def _unpack(self, reader: Reader, archive: Path, checked: Checked, base: PurePosixPath, *, depth: int) -> None:
        for member, path in checked:
            if member.is_folder:
                self._make_folder(archive, base / path)
        paths = [path for member, path in checked if not member.is_folder]
        contents = reader.contents([member for member, _ in checked])
        for (member, blocks), path in zip(contents, paths, strict=True):
            counted = self._counted(archive, member, blocks, report=depth == 0)
            if path.name.lower().endswith(ARCHIVE_SUFFIXES) and not path.name.startswith("._"):
                self._unpack_inner(counted, base / path, depth=depth + 1)
            else:
                self._write_file(archive, member, counted, base / path)

    def _counted(self, archive: Path, member: Member, blocks: Iterator[bytes], *, report: bool) -> Iterator[bytes]:
        """`blocks`, each checked against the budget before it is written, and all of them against the list."""
        size_bytes = crc32 = 0
        for block in blocks:
            self.budget.add_bytes(len(block))
            size_bytes += len(block)
            if member.crc32 is not None:
                crc32 = zlib.crc32(block, crc32)
            if report:
                self.read_bytes += len(block)
                self.progress(f"unpacking {self.archive.name}", self.read_bytes, self.total_bytes)
            yield block
        if size_bytes != member.size_bytes:
            raise damaged(archive, f"{member.name!r} has {size_bytes} bytes, expected {member.size_bytes}")
        if member.crc32 is not None and crc32 != member.crc32:
            raise damaged(archive, f"the checksum of {member.name!r} is wrong")

    def _write_file(self, archive: Path, member: Member, blocks: Iterator[bytes], path: PurePosixPath) -> None:
        name = path.as_posix()
        if name == RECEIPT or _key(path) in self.taken:
            raise refused(archive, name, "there already")
        self.taken.add(_key(path))
        if self.staging.has(name, member.size_bytes):  # by a run that was interrupted
            _drain(blocks)
        else:
            self._make_folder(archive, path.parent)
            being_written = self.staging.scratch / "file"
            _write(blocks, being_written)
            try:
                being_written.replace(self.staging.tree / path)
            except IsADirectoryError:
                raise refused(archive, name, "a file and a folder at once") from None
        self.files[name] = self.inner_files[name] = member.size_bytes

    def _unpack_inner(self, blocks: Iterator[bytes], path: PurePosixPath, *, depth: int) -> None:
        self.budget.check_depth(depth)
        if depth == 1 and (files := self.done.get(path.as_posix())) is not None:
            _drain(blocks)
            self.budget.add_bytes(sum(files.values()))
            self.files |= files
            self.taken |= {_key(PurePosixPath(name)) for name in files}
            return
        packed = self.staging.scratch / str(depth) / path.name
        packed.parent.mkdir(exist_ok=True)
        _write(blocks, packed)
        reader = open_reader(packed)
        checked = self._checked(reader, packed)
        stem = path.name[: -len(next(end for end in ARCHIVE_SUFFIXES if path.name.lower().endswith(end)))]
        in_own_folder = all(inner.parts[:1] in ((stem,), ()) for _, inner in checked)
        if depth == 1:
            self.inner_files = {}
        self._unpack(reader, packed, checked, path.parent if in_own_folder else path.parent / stem, depth=depth)
        packed.unlink()
        if depth == 1:
            self.staging.add_done(path.as_posix(), self.inner_files)

    def _make_folder(self, archive: Path, path: PurePosixPath) -> None:
        try:
            self.staging.tree.joinpath(path).mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError):
            raise refused(archive, path.as_posix(), "a file and a folder at once") from None


def _check_conflicts(archive: Path, checked: Checked) -> None:
    """No file twice, and none that is a folder too."""
    files: set[str] = set()
    for member, path in checked:
        if not member.is_folder:
            if _key(path) in files:
                raise refused(archive, member.name, "in it twice")
            files.add(_key(path))
    for member, path in checked:
        folders = [path, *path.parents] if member.is_folder else path.parents
        if any(_key(folder) in files for folder in folders):
            raise refused(archive, member.name, "a file and a folder at once")


def _key(path: PurePosixPath) -> str:
    """Equal for two paths that the system's usual file system takes for one."""
    if sys.platform in ("darwin", "win32"):
        return unicodedata.normalize("NFC", path.as_posix()).casefold()
    return path.as_posix()


def _write(blocks: Iterator[bytes], path: Path) -> None:
    with path.open("wb") as file:
        for block in blocks:
            file.write(block)


def _drain(blocks: Iterator[bytes]) -> None:
    for _ in blocks:
        pass
