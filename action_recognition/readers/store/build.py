"""Filling the store: the choice of a codec, missing and damaged entries, decoding, and unused files."""

import math
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from action_recognition.errors import DataError, VideoError
from action_recognition.readers.store.entry import (
    SUFFIX,
    DamagedEntryError,
    StoreFormat,
    check_file,
    read_header,
    write_entry,
)
from action_recognition.utils.cpu import available_cores
from action_recognition.utils.locks import locked
from action_recognition.video.clip_files import open_clip
from action_recognition.video.frames import FrameFormat, resized_size

if TYPE_CHECKING:
    from action_recognition.datasets.records import ClipRecord

LOCK_NAME = ".lock.tmp"
JPEG_SHARE = 0.16  # size of a JPEG of quality 95 relative to the raw frame, measured on HMDB51; for an estimate
Progress = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True)
class BuildReport:
    """What `build_store` did.

    Attributes:
        failed: a line for every clip that could not be decoded.
        damaged: a line for every damaged entry.
        unchecked: number of old entries without checksums. They are built again, because nobody has checked the bytes
            that a checksum added now would confirm.
    """

    reused: int
    built: int
    size_bytes: int
    failed: list[str] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)
    unchecked: int = 0


def raw_bytes(records: Iterable["ClipRecord"], short_side: int) -> int:
    """Bytes of all frames of these clips, resized but not compressed."""
    return sum(
        record.frames * 3 * math.prod(resized_size(record.width, record.height, short_side)) for record in records
    )


def distinct(records: Iterable["ClipRecord"]) -> list["ClipRecord"]:
    """One record for each distinct video that can be decoded."""
    return list({record.md5: record for record in records if not record.error}.values())


def _survey(
    records: Sequence["ClipRecord"], root: Path, entry_format: StoreFormat
) -> tuple[list["ClipRecord"], list[str], int]:
    """Clips to build, a line for each damaged entry, and the number of entries without checksums. Reads all files."""

    def state(record: "ClipRecord") -> tuple[bool, bool, str]:
        path = entry_format.path(root, record.md5)
        try:
            header = read_header(path)
            if header is None or header.crc32 is None:
                return False, header is not None, ""
            check_file(path)
        except DamagedEntryError as error:
            return False, False, str(error)
        return header.frames == record.frames, False, ""

    # Threads suffice, because reading and checksums release the interpreter lock.
    with ThreadPoolExecutor(available_cores()) as pool:
        states = list(pool.map(state, records))
    todo = [record for record, (held, _, _) in zip(records, states, strict=True) if not held]
    return todo, [line for _, _, line in states if line], sum(unchecked for _, unchecked, _ in states)


def choose_format(
    records: Sequence["ClipRecord"], root: Path, *, codec: str, short_side: int, quality: int, max_bytes: float
) -> tuple[StoreFormat, str]:
    """The format to build, and the reason for it.

    Args:
        codec: `raw`, `jpeg`, or `auto`, which is raw if that takes at most `max_bytes` and fits on the disk.

    Raises:
        DataError: if the disk has no room for the missing clips.
    """
    raw, jpeg = (StoreFormat(codec=name, short_side=short_side, quality=quality) for name in ("raw", "jpeg"))
    total, room = raw_bytes(records, short_side), _free_bytes(root)

    def needed(wanted: StoreFormat) -> float:
        """Bytes of new files; damaged entries are replaced in place."""
        new = (record for record in records if not wanted.path(root, record.md5).exists())
        return raw_bytes(new, short_side) * (1 if wanted is raw else JPEG_SHARE)

    sizes = f"raw is {_gigabytes(total)}, jpeg about {_gigabytes(total * JPEG_SHARE)}"
    if codec == "auto" and total <= max_bytes and needed(raw) <= room:
        return raw, f"raw, {_gigabytes(total)}: within data.cache.max_gigabytes={max_bytes / 1e9:g}"
    if codec == "auto":
        limit = f"data.cache.max_gigabytes={max_bytes / 1e9:g}" if total > max_bytes else f"{_gigabytes(room)} free"
        chosen, reason = jpeg, f"{jpeg}: {sizes}, {limit}"
    else:
        chosen, reason = (raw if codec == "raw" else jpeg), f"data.cache.codec={codec}: {sizes}"
    if (needs := needed(chosen)) > room:
        raise DataError(
            f"data.cache.dir={root}: {_gigabytes(needs)} more needed for {chosen}, {_gigabytes(room)} free there; name "
            "another place with data.cache.dir=..., or choose data.cache.codec=jpeg"
        )
    return chosen, reason


def build_store(
    records: Sequence["ClipRecord"],
    videos_dir: Path,
    root: Path,
    entry_format: StoreFormat,
    *,
    progress: Progress | None = None,
    on_wait: Callable[[], None] = lambda: None,
) -> BuildReport:
    """Decode missing and damaged entries, one thread per core.

    Each file appears whole or not at all, and its bytes follow from the video alone, so repeating an interrupted build
    ends with the same store. A second process waits for the first.

    Args:
        records: distinct clips.
        on_wait: called once if another process has to finish first.

    Raises:
        DataError: if the store cannot be written.
    """
    try:
        root.mkdir(parents=True, exist_ok=True)
        with locked(root / LOCK_NAME, work=f"cache-data into {root}", on_wait=on_wait):
            for left_over in root.glob(f"??/.*.partial-*{SUFFIX}"):
                left_over.unlink()
            todo, damaged, unchecked = _survey(records, root, entry_format)
            results = list(_build_all(todo, videos_dir, root, entry_format, progress))
    except OSError as error:
        raise DataError(
            f"data.cache.dir={root}: {error.strerror or error}; finished clips are kept: make room or name another "
            "place, then: python commands.py cache-data"
        ) from None
    sizes = [result for result in results if isinstance(result, int)]
    failed = [result for result in results if isinstance(result, str)]
    reused, size_bytes = len(records) - len(todo), sum(sizes)
    return BuildReport(
        reused=reused, built=len(sizes), size_bytes=size_bytes, failed=failed, damaged=damaged, unchecked=unchecked
    )


def unused_files(records: Iterable["ClipRecord"], root: Path, entry_format: StoreFormat) -> list[Path]:
    """Entries of other videos, sizes or codecs than these."""
    needed = {entry_format.path(root, record.md5) for record in records}
    return sorted(path for path in root.glob(f"??/[!.]*{SUFFIX}") if path not in needed)


def _build_all(
    records: Sequence["ClipRecord"],
    videos_dir: Path,
    root: Path,
    entry_format: StoreFormat,
    progress: Progress | None,
) -> Iterator[int | str]:
    """For each finished clip its size in bytes, or the error of its video."""

    def build(record: "ClipRecord") -> int | str:
        video, path = videos_dir / record.path, entry_format.path(root, record.md5)
        try:
            with open_clip(video, FrameFormat(short_side=entry_format.short_side)) as clip:
                return write_entry(path, iter(clip), count=record.frames, entry_format=entry_format, origin=video)
        except VideoError as error:
            return str(error)

    # Threads suffice, because decoding, scaling and writing release the interpreter lock; a kill ends all of them.
    pool = ThreadPoolExecutor(available_cores())
    futures = [pool.submit(build, record) for record in records]
    try:
        for done, future in enumerate(as_completed(futures), start=1):
            yield future.result()
            if progress:
                progress(done, len(futures))
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _free_bytes(root: Path) -> int:
    existing = next(path for path in (root.absolute(), *root.absolute().parents) if path.exists())
    return shutil.disk_usage(existing).free


def _gigabytes(size_bytes: float) -> str:
    return f"{size_bytes / 1e9:.1f} GB" if size_bytes >= 1e8 else f"{size_bytes / 1e6:.1f} MB"
