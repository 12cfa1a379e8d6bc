"""From a mirror, or an archive of one's own, to loose files in a work folder that outlives an interruption."""

import re
import shutil
import zlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from urllib.parse import unquote, urlsplit

from rich.console import Console

from action_recognition.config import MirrorConfig
from action_recognition.download import (
    ArchiveError,
    DownloadError,
    Progress,
    fetch,
    fetch_tree,
    terminal_progress,
    unpack,
)
from action_recognition.download.completeness import IncompleteError
from action_recognition.download.file import shown_mirror
from action_recognition.download.unpacking import ARCHIVE_SUFFIXES
from action_recognition.errors import ConfigError

HUB_FILES = re.compile(r"hf://datasets/(?P<repo>[^/@]+/[^/@]+)(@(?P<revision>[^/]+))?/(?P<pattern>.+)")


def is_url(text: str) -> bool:
    return text.startswith(("http://", "https://", "file://", "hf://"))


def from_archive(archive: Path, work: Path) -> Path:
    """A folder below `work` with what is in a local archive or folder; archives in it are unpacked too.

    Raises:
        ArchiveError: what `unpack` refuses.
        DataError: if it is not there.
    """
    with terminal_progress() as progress:
        return unpack(archive, work / f"local-{_short_key(_state(archive))}", progress=progress).folder


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
    """Call `use` with a folder of what the first mirror has that delivers it right and whose files `use` accepts.

    A mirror that an earlier run began with comes first. What cannot be unpacked is deleted; what `use` finds
    incomplete is kept, so that accepting it later takes no second download.

    Raises:
        DownloadError: no mirror was right; it says what each was about.
    """
    failures: list[tuple[str, str]] = []
    for mirror in sorted(mirrors, key=lambda mirror: not _folder(mirror, work).exists()):
        folder = _folder(mirror, work)
        try:
            with terminal_progress() as progress:
                files = _obtain(mirror, folder, hub=hub, hint=hint, progress=progress)
            use(files)
            return
        except DownloadError as error:
            failures += error.failures
        except ArchiveError as error:
            shutil.rmtree(folder, ignore_errors=True)
            reason = str(error).split(": ", 1)[-1].removesuffix(f"; {error.advice}")
            failures.append((shown_mirror(mirror.url), reason))
        except IncompleteError as error:
            failures.append((shown_mirror(mirror.url), str(error)))
        with suppress(OSError):
            folder.rmdir()  # nothing came
        console.print(f"passed over {': '.join(failures[-1])}", markup=False, highlight=False)
    raise DownloadError(what, failures, hint=hint)


def _obtain(mirror: MirrorConfig, folder: Path, *, hub: str, hint: str, progress: Progress) -> Path:
    if mirror.url.startswith("hf://"):
        packed = _from_hub(mirror.url, folder / "files", hub=hub, hint=hint, progress=progress)
        if packed.is_dir() and not any(_is_archive(path) for path in packed.rglob("*")):
            return packed
    else:
        checks = {"size": mirror.size, "sha256": mirror.sha256, "md5": mirror.md5}
        path = folder / _file_name(mirror.url)
        packed = fetch([mirror.url], path, **checks, progress=progress, hint=hint)  # type: ignore[arg-type]
    return unpack(packed, folder / "unpacked", progress=progress).folder


def _from_hub(url: str, folder: Path, *, hub: str, hint: str, progress: Progress) -> Path:
    """The one file that was asked for, or the folder of all that match."""
    match = HUB_FILES.fullmatch(url)
    if match is None:
        raise ConfigError(f"data.mirrors: {url}: expected hf://datasets/OWNER/REPO/PATTERN, or OWNER/REPO@REVISION")
    revision, include = match["revision"] or "main", [match["pattern"]]
    paths = fetch_tree(match["repo"], folder, revision=revision, hub=hub, include=include, progress=progress, hint=hint)
    return paths[0] if len(paths) == 1 and _is_archive(paths[0]) else folder


def _is_archive(path: Path) -> bool:
    return path.name.lower().endswith(ARCHIVE_SUFFIXES)


def _folder(mirror: MirrorConfig, work: Path) -> Path:
    """One for each file that is expected: mirrors of the same checksum share what was downloaded."""
    return work / _short_key(mirror.sha256 or mirror.md5 or mirror.url)


def _file_name(url: str) -> str:
    return Path(unquote(urlsplit(url).path if is_url(url) else url).replace("\\", "/")).name or "archive"


def _state(archive: Path) -> str:
    """Another text when the archive, or a file in the folder, is another one."""
    paths = sorted(archive.rglob("*")) if archive.is_dir() else [archive]
    stats = [(str(path.absolute()), path.stat()) for path in paths if path.is_file()]
    return repr([(name, stat.st_size, stat.st_mtime_ns) for name, stat in stats])


def _short_key(text: str) -> str:
    return f"{zlib.crc32(text.encode()):08x}"
