"""What an archive may cost, and the tally kept of what it really did."""

from dataclasses import dataclass
from pathlib import Path

from action_recognition.download.files import shown_bytes
from action_recognition.errors import DataError

# Below this the ratio says nothing: a few text files compress a hundredfold and harm nobody.
RATIO_FREE_BYTES = 16 << 20


class ArchiveError(DataError):
    """An archive that is damaged, or of a kind that cannot be unpacked."""

    def __init__(self, reason: str, *, advice: str = "delete it and fetch it again") -> None:
        super().__init__(reason)
        self.advice = advice

    def about(self, archive: Path) -> "ArchiveError":
        """The same error as the one line a user reads: the archive, the reason, what to do."""
        return type(self)(f"{archive}: {self}; {self.advice}", advice=self.advice)


class HostileArchiveError(ArchiveError):
    """An archive that would write outside its folder, make links or devices, or fill the disk."""

    def __init__(self, reason: str, *, advice: str = "get the data from another source") -> None:
        super().__init__(reason, advice=advice)


UNPACK_YOURSELF = "unpack it with a program that can and pass the folder: download-data data.archive=FOLDER"


@dataclass(frozen=True)
class UnpackLimits:
    """The most that unpacking one archive may write and nest, archives inside it included.

    `depth` is how many archives may lie inside one another below the outermost; 1 is HMDB51's RAR in RAR.
    `ratio` is bytes written per byte of the outermost archive, looked at above 16 MiB.
    """

    total_bytes: int = 256 << 30
    members: int = 500_000
    ratio: float = 100.0
    depth: int = 2


class Budget:
    """Counts members and bytes over the whole unpacking, and raises as soon as a limit is passed."""

    def __init__(self, limits: UnpackLimits, *, archive_bytes: int) -> None:
        self.limits, self.archive_bytes = limits, archive_bytes
        self.members = 0
        self.written_bytes = 0

    def add_member(self) -> None:
        self.members += 1
        if self.members > self.limits.members:
            self._refuse(f"more than {self.limits.members} members")

    def add_bytes(self, size_bytes: int) -> None:
        self.written_bytes += size_bytes
        self.check_bytes(0)

    def check_bytes(self, more_bytes: int) -> None:
        """Raise where `more_bytes` on top of what is written would be too many."""
        would_be = self.written_bytes + more_bytes
        if would_be > self.limits.total_bytes:
            self._refuse(f"unpacks to more than {shown_bytes(self.limits.total_bytes)}")
        if would_be > max(RATIO_FREE_BYTES, self.limits.ratio * self.archive_bytes):
            self._refuse(f"unpacks to more than {self.limits.ratio:g} times its size")

    def check_depth(self, depth: int) -> None:
        if depth > self.limits.depth:
            self._refuse(f"archives more than {self.limits.depth} deep inside one another")

    def _refuse(self, why: str) -> None:
        raise HostileArchiveError(f"refused, {why}", advice=f"if you trust it, {UNPACK_YOURSELF}")
