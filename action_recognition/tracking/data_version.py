"""DVC around training: is the data what `data.dvc` pins, and if it is missing, where can it be had?

Only the files that a training reads are looked at, so a second data set in the same folder does not matter.
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
from action_recognition.datasets import dataset_of
from action_recognition.errors import DataError, first_line
from action_recognition.tracking.dvc_data import PIN_FILE, FileHashes, Message, PinnedData, open_pinned_data


@dataclass(frozen=True, kw_only=True)
class DvcState:
    """`hash` is the DVC hash of the pinned directory that training will read, as `dvc add` would write it."""

    hash: str
    status: Literal["clean", "pulled", "modified"]


def ensure_data(config: Config, *, repo: Path, progress: Message = lambda _line: None) -> DvcState:
    """Make sure that the files of `config.data` are those that `data.dvc` pins; fetch them where they are missing.

    Args:
        repo: the directory that holds `.dvc` and `data.dvc`.
        progress: called with one line before anything slow.

    Raises:
        DataError: data outside the pinned directory, not pinned, changed, or missing here and in every remote.
        ConfigError: if `tracking.dvc_remote` is no remote of this repository.
    """
    if dataset_of(config.data).reads_shards:
        raise DataError(
            f"data=shards: {PIN_FILE} pins videos; shards are checked against their own index.json instead; run: "
            "python commands.py train-ml-flow data=shards"
        )
    with open_pinned_data(repo) as pinned:
        try:
            return _ensure(pinned, config, progress)
        except LockError:
            raise DataError(f"{repo}: DVC is locked by another process; wait for it to end, then run again") from None
        except (DvcException, SCMError, OSError) as error:
            raise DataError(f"DVC failed on {PIN_FILE}: {first_line(error)}; see: dvc status {PIN_FILE}") from error


def _ensure(pinned: PinnedData, config: Config, tell: Message) -> DvcState:
    roots, why_not = pinned.roots(config.data), f"{PIN_FILE} does not pin it"
    clean = DvcState(hash=pinned.hash, status="clean")
    expected = pinned.expected(roots)
    if expected is None:  # a fresh clone: the cache does not have the list of files that belongs to the pinned hash
        tell(f"comparing {pinned.name} with {PIN_FILE}")
        if pinned.keep_list_if_complete():
            return clean
        why_not = pinned.fetch(roots, config.tracking.dvc_remote, tell) or why_not
        expected = pinned.expected(roots)
    found = pinned.found(roots)
    if not expected and not found:
        raise _missing(pinned, config.data, why_not)
    if found == expected:
        return clean
    if config.tracking.dvc_allow_modified and Path(config.data.videos_dir).is_dir():
        return DvcState(hash=pinned.hash_of_workspace(), status="modified")
    if expected is None or not found.items() <= expected.items():
        raise _modified(pinned, roots, expected, found)
    _restore(pinned, config, roots, expected, tell)
    return DvcState(hash=pinned.hash, status="pulled")


def _restore(pinned: PinnedData, config: Config, roots: list[str], expected: FileHashes, tell: Message) -> None:
    """Bring missing files from the cache, or from a remote to the cache first."""
    if pinned.not_in_cache(expected):
        why_not = pinned.fetch(roots, config.tracking.dvc_remote, tell)
        if absent := pinned.not_in_cache(expected):
            raise _missing(pinned, config.data, why_not or f"{absent} of {len(expected)} files are in no remote")
    tell(f"checking out {', '.join(pinned.shown(roots))}")
    pinned.checkout(roots)
    if pinned.found(roots) != expected:
        raise DataError(f"{pinned.name}: not as {PIN_FILE} pins it after the checkout; see: dvc data status --granular")


def _missing(pinned: PinnedData, data: DataConfig, why_not: str) -> DataError:
    if not dataset_of(data).is_downloadable:
        advice = f"put the videos there and pin them: dvc add {pinned.name}"
    else:
        advice = (
            f"download it: python commands.py download-data data={data.name}; or name a remote that has it: "
            "dvc remote add -d NAME URL, then run this again"
        )
    return DataError(f"data.videos_dir={data.videos_dir}: missing or incomplete, and {why_not}; {advice}")


def _modified(pinned: PinnedData, roots: list[str], expected: FileHashes | None, found: FileHashes) -> DataError:
    places, accept = " ".join(pinned.shown(roots)), f"dvc add {pinned.name} pins what is there"
    if expected is None:
        return DataError(
            f"{pinned.name}: differs from {PIN_FILE}, and no cache or remote has the pinned state; {accept}"
        )
    if not expected:
        return DataError(f"{places}: not pinned by {PIN_FILE}; {accept}")
    restore = f"dvc checkout --force {places} restores the pinned state"
    if pinned.not_in_cache(expected):
        restore = f"to get the pinned state back, move {places} away and run this again"
    changed = sum(found[path] != expected[path] for path in found.keys() & expected.keys())
    added, missing = len(found.keys() - expected.keys()), len(expected.keys() - found.keys())
    return DataError(
        f"{places}: differs from {PIN_FILE} (files changed: {changed}, added: {added}, missing: {missing}); {accept}; "
        f"{restore}; tracking.dvc_allow_modified=true trains on it as it is"
    )
