"""From a mirror, or the user's own archive, to loose files in a work folder that survives interruptions."""

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
from action_recognition.download.transfer import MirrorError
from action_recognition.errors import ConfigError, DataError
from action_recognition.utils.progress import Advance, progress_bar

HUB_FILES = re.compile(r"hf://datasets/(?P<repo>[^/@]+/[^/@]+)(@(?P<revision>[^/]+))?/(?P<pattern>.+)")


def is_url(text: str) -> bool:
    return text.startswith(("http://", "https://", "file://", "hf://"))


def from_archive(archive: str, work: Path, console: Console) -> Path:
    """A folder below `work` with the content of a local archive or folder, nested archives too.

    Raises:
        ArchiveError: `unpack` refuses the archive.
        DataError: the archive does not exist.
    """
    path = Path(archive).expanduser()
    with progress_bar("", console=console, in_bytes=True) as progress:
        return unpack(path, work / f"local-{zlib.crc32(os.fsencode(path.absolute())):08x}", progress=progress)


def from_mirrors(
    mirrors: Sequence[MirrorConfig],
    use: Callable[[Path], None],
    *,
    what: str,
    work: Path,
    hub: str,
    hint: str,
    console: Console,
) -> None:
    """Try the mirrors in turn: call `use` with a folder of a mirror's files, until it accepts them.

    A mirror that an earlier run has begun comes first. An archive that cannot be unpacked is deleted; one that `use`
    finds incomplete is kept, so that accepting it later needs no second download.

    Raises:
        DataError: no mirror was right, with the reason for each.
    """
    failures: list[str] = []
    for mirror in sorted(mirrors, key=lambda mirror: not _folder(mirror, work).exists()):
        folder = _folder(mirror, work)
        try:
            with progress_bar("", console=console, in_bytes=True) as progress:
                files = _obtain(mirror, folder, hub=hub, progress=progress)
            use(files)
            return
        except ArchiveError as error:
            shutil.rmtree(folder, ignore_errors=True)
            reason = error.reason
        except (MirrorError, IncompleteError) as error:
            reason = str(error)
        failures.append(f"{shown_mirror(mirror.url)}: {reason}")
        with suppress(OSError):
            folder.rmdir()  # nothing was downloaded
        console.print(f"skipped {failures[-1]}", markup=False, highlight=False)
    raise DataError(f"{what}: no mirror delivered it ({'; '.join(failures)}); run it again to continue, {hint}")


def _obtain(mirror: MirrorConfig, folder: Path, *, hub: str, progress: Advance) -> Path:
    """Download to `folder`, and unpack archives; the folder that then holds the loose files."""
    if not mirror.url.startswith("hf://"):
        expected = expected_file(mirror.size, mirror.sha256, mirror.md5)
        packed = fetch(mirror.url, folder / _file_name(mirror.url), expected, progress=progress)
    elif match := HUB_FILES.fullmatch(mirror.url):
        packed, revision = folder / "files", match["revision"] or "main"
        paths = fetch_from_hub(
            match["repo"], packed, hub=hub, revision=revision, pattern=match["pattern"], progress=progress
        )
        if not any(is_archive_name(path.name) for path in paths):
            return packed
        if len(paths) == 1:
            packed = paths[0]
    else:
        expected_url = "hf://datasets/OWNER/REPO/PATTERN, or OWNER/REPO@REVISION"
        raise ConfigError(f"data.mirrors: {mirror.url}: expected {expected_url}")
    return unpack(packed, folder / "unpacked", progress=progress)


def _folder(mirror: MirrorConfig, work: Path) -> Path:
    """One per expected file: mirrors of the same checksum share what was downloaded."""
    return work / f"{zlib.crc32((mirror.sha256 or mirror.md5 or mirror.url).encode()):08x}"


def _file_name(url: str) -> str:
    return Path(unquote(urlsplit(url).path if is_url(url) else url).replace("\\", "/")).name or "archive"
