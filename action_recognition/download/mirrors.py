"""From a mirror, or the user's own archive, to loose files in a work folder that survives an interruption."""

import os
import re
import shutil
import zlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from urllib.parse import unquote, urlsplit

from rich.console import Console

from action_recognition.config import MirrorConfig
from action_recognition.download.archives import is_archive_name, unpack
from action_recognition.download.completeness import IncompleteError
from action_recognition.download.fetch import expected_file, fetch, shown_mirror
from action_recognition.download.hub import fetch_from_hub
from action_recognition.download.seven_zip import ArchiveError
from action_recognition.download.transfer import PATIENT, MirrorError, Retry
from action_recognition.errors import ConfigError, DataError
from action_recognition.utils.progress import Advance, progress_bar

HUB_FILES = re.compile(r"hf://datasets/(?P<repo>[^/@]+/[^/@]+)(@(?P<revision>[^/]+))?/(?P<pattern>.+)")


class DownloadError(DataError):
    """No mirror delivered it. `failures` are (mirror, reason) pairs in the order they were tried."""

    def __init__(self, what: str, failures: Sequence[tuple[str, str]], *, hint: str) -> None:
        tried = "; ".join(f"{mirror}: {reason}" for mirror, reason in failures)
        super().__init__(f"{what}: no mirror delivered it ({tried}); run it again to continue, {hint}")
        self.failures = list(failures)


def is_url(text: str) -> bool:
    return text.startswith(("http://", "https://", "file://", "hf://"))


def from_archive(archive: Path, work: Path, console: Console) -> Path:
    """A folder below `work` with what is in a local archive or folder; archives in it are unpacked too.

    Raises:
        ArchiveError: what `unpack` refuses.
        DataError: if it does not exist.
    """
    with progress_bar("", console=console, in_bytes=True) as progress:
        return unpack(archive, work / f"local-{zlib.crc32(os.fsencode(archive.absolute())):08x}", progress=progress)


def from_mirrors(
    mirrors: Sequence[MirrorConfig],
    use: Callable[[Path], None],
    *,
    what: str,
    work: Path,
    hub: str,
    hint: str,
    console: Console,
    retry: Retry = PATIENT,
) -> None:
    """Try the mirrors in turn: call `use` with a folder of a mirror's files, until it accepts them.

    The mirror that an earlier run started with comes first. An archive that cannot be unpacked is deleted; one that
    `use` finds incomplete is kept, so that accepting it later needs no second download.

    Raises:
        DownloadError: no mirror was right; it says what was wrong with each.
    """
    failures: list[tuple[str, str]] = []
    for mirror in sorted(mirrors, key=lambda mirror: not _folder(mirror, work).exists()):
        folder = _folder(mirror, work)
        try:
            with progress_bar("", console=console, in_bytes=True) as progress:
                files = _obtain(mirror, folder, hub=hub, progress=progress, retry=retry)
            use(files)
            return
        except ArchiveError as error:
            shutil.rmtree(folder, ignore_errors=True)
            reason = error.reason
        except (MirrorError, IncompleteError) as error:
            reason = str(error)
        failures.append((shown_mirror(mirror.url), reason))
        with suppress(OSError):
            folder.rmdir()  # nothing came
        console.print(f"skipped {': '.join(failures[-1])}", markup=False, highlight=False)
    raise DownloadError(what, failures, hint=hint)


def _obtain(mirror: MirrorConfig, folder: Path, *, hub: str, progress: Advance, retry: Retry) -> Path:
    if mirror.url.startswith("hf://"):
        packed = _from_hub(mirror.url, folder / "files", hub=hub, progress=progress, retry=retry)
        if packed.is_dir() and not any(is_archive_name(path.name) for path in packed.rglob("*")):
            return packed
    else:
        expected = expected_file(mirror.size, mirror.sha256, mirror.md5)
        packed = fetch(mirror.url, folder / _file_name(mirror.url), expected, progress=progress, retry=retry)
    return unpack(packed, folder / "unpacked", progress=progress)


def _from_hub(url: str, folder: Path, *, hub: str, progress: Advance, retry: Retry) -> Path:
    """The one file that was asked for, or the folder of all that match."""
    match = HUB_FILES.fullmatch(url)
    if match is None:
        raise ConfigError(f"data.mirrors: {url}: expected hf://datasets/OWNER/REPO/PATTERN, or OWNER/REPO@REVISION")
    revision = match["revision"] or "main"
    paths = fetch_from_hub(
        match["repo"], folder, hub=hub, revision=revision, pattern=match["pattern"], progress=progress, retry=retry
    )
    return paths[0] if len(paths) == 1 and is_archive_name(paths[0].name) else folder


def _folder(mirror: MirrorConfig, work: Path) -> Path:
    """One for each file that is expected: mirrors of the same checksum share what was downloaded."""
    return work / f"{zlib.crc32((mirror.sha256 or mirror.md5 or mirror.url).encode()):08x}"


def _file_name(url: str) -> str:
    return Path(unquote(urlsplit(url).path if is_url(url) else url).replace("\\", "/")).name or "archive"
