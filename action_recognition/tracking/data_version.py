"""DVC around training: is the data what `data.dvc` pins, and if it is missing, where can it be had?

Only the files that a training reads are looked at, so a second data set in the same folder disturbs nobody.
Missing files are put in place only when the cache holds all of them: DVC 3.67's own `checkout`, and with it `pull`,
deletes the whole pinned directory when a single object is lacking.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from dvc.exceptions import DvcException
from dvc.lock import LockError
from dvc.scm import SCMError

from action_recognition.config import Config, DataConfig
from action_recognition.errors import DataError
from action_recognition.tracking.dvc_data import (
    PIN_FILE,
    FileHashes,
    Message,
    PinnedData,
    first_line,
    open_pinned_data,
)


@dataclass(frozen=True, kw_only=True)
class DvcState:
    """`hash` is the DVC hash of the data directory that training will read, as `dvc add` would write it."""

    hash: str
    status: Literal["clean", "pulled", "modified"]


def ensure_data(config: Config, *, repo: Path, progress: Message | None = None) -> DvcState:
    """Make sure that the files of `config.data` are those that `data.dvc` pins; fetch them where they are missing.

    Args:
        repo: the directory that holds `.dvc` and `data.dvc`.
        progress: called with one line before anything slow.

    Raises:
        DataError: data outside the pinned directory, not pinned, changed, or missing here and in every remote.
        ConfigError: if `tracking.dvc_remote` is no remote of this repository.
    """
    if config.data.kind == "shards":
        raise DataError(
            f"data=shards: {PIN_FILE} pins videos, not shards, whose index.json has checksums of its own; train with "
            "python commands.py train-ml-flow data=shards"
        )
    tell = progress or _say_nothing
    with open_pinned_data(repo) as pinned:
        try:
            return _checked(pinned, config, tell)
        except LockError:
            raise DataError(f"{repo}: DVC is locked by another process; wait for it to end, then run again") from None
        except (DvcException, SCMError, OSError) as error:
            raise DataError(f"DVC failed on {PIN_FILE}: {first_line(error)}; see: dvc status {PIN_FILE}") from error


def _checked(pinned: PinnedData, config: Config, tell: Message) -> DvcState:
    roots = pinned.roots(config.data)
    expected = pinned.expected(roots)
    if expected is None:  # a fresh clone: the cache does not have the list of files that belongs to the pinned hash
        tell(f"comparing {pinned.name} with {PIN_FILE}")
        if pinned.keep_list_if_whole():
            return DvcState(hash=pinned.hash, status="clean")
        why_not = pinned.fetch(roots, config.tracking.dvc_remote, tell)
        expected = pinned.expected(roots)
        if expected is None and not pinned.found(roots):
            raise _missing(pinned, config.data, why_not)
    found = pinned.found(roots)
    if expected is not None and not expected and not found:
        raise _missing(pinned, config.data, f"{PIN_FILE} does not pin it")
    changes = Changes.between(expected, found) if expected is not None else None
    if changes is not None and changes.none:
        return DvcState(hash=pinned.hash, status="clean")
    if config.tracking.dvc_allow_modified and Path(config.data.videos_dir).is_dir():
        return DvcState(hash=pinned.hash_of_workspace(), status="modified")
    if expected is None or changes is None or changes.beyond_missing:
        raise _modified(pinned, roots, expected, changes)
    _restore(pinned, config, roots, expected, tell)
    return DvcState(hash=pinned.hash, status="pulled")


def _restore(pinned: PinnedData, config: Config, roots: list[str], expected: FileHashes, tell: Message) -> None:
    """Bring missing files from the cache, or from a remote to the cache first."""
    if pinned.not_in_cache(expected):
        why_not = pinned.fetch(roots, config.tracking.dvc_remote, tell)
        absent = pinned.not_in_cache(expected)
        if absent:
            raise _missing(pinned, config.data, why_not or f"{absent} of {len(expected)} files are in no remote")
    tell(f"checking out {', '.join(pinned.shown(roots))}")
    pinned.checkout(roots)
    if pinned.found(roots) != expected:
        raise DataError(f"{pinned.name}: not as {PIN_FILE} pins it after the checkout; see: dvc data status --granular")


@dataclass(frozen=True, kw_only=True)
class Changes:
    """Numbers of files by how they differ from the pinned ones."""

    changed: int
    added: int
    missing: int

    @classmethod
    def between(cls, expected: FileHashes, found: FileHashes) -> "Changes":
        return cls(
            changed=sum(found[path] != digest for path, digest in expected.items() if path in found),
            added=len(found.keys() - expected.keys()),
            missing=len(expected.keys() - found.keys()),
        )

    @property
    def none(self) -> bool:
        return not (self.changed or self.added or self.missing)

    @property
    def beyond_missing(self) -> bool:
        return bool(self.changed or self.added)

    def __str__(self) -> str:
        return f"{self.changed} files changed, {self.added} added, {self.missing} missing"


def _missing(pinned: PinnedData, data: DataConfig, why_not: str) -> DataError:
    return DataError(
        f"data.videos_dir={data.videos_dir}: missing or incomplete, and {why_not}; {_how_to_bring(pinned, data)}"
    )


def _how_to_bring(pinned: PinnedData, data: DataConfig) -> str:
    if data.kind == "folder":
        return f"put the videos there and pin them: dvc add {pinned.name}"
    download = f"python commands.py download-data data={data.name}"
    return f"bring it: {download}; or name a remote that has it: dvc remote add -d NAME URL, then run this again"


def _modified(pinned: PinnedData, roots: list[str], expected: FileHashes | None, changes: Changes | None) -> DataError:
    places = " ".join(pinned.shown(roots))
    accept = f"dvc add {pinned.name} pins what is there"
    if expected is None:
        return DataError(
            f"{pinned.name}: differs from {PIN_FILE}, and no cache or remote has the pinned state; {accept}"
        )
    if not expected:
        return DataError(f"{places}: not pinned by {PIN_FILE}; {accept}")
    if pinned.not_in_cache(expected):
        restore = f"to get the pinned state back, move {places} away and run this again"
    else:
        restore = f"dvc checkout --force {places} restores the pinned state"
    return DataError(
        f"{places}: {changes} since {PIN_FILE} was written; {accept}; {restore}; "
        "tracking.dvc_allow_modified=true trains on it as it is"
    )


def _say_nothing(_line: str) -> None:
    pass
