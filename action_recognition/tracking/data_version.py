"""DVC before training: check that the data is what `data.dvc` pins, and fetch it if it is missing.

Only the files that a training reads count, so a second data set in the same folder does not matter. Missing files are
checked out only if the cache holds all of them: `checkout` and `pull` of DVC 3.67 delete the whole pinned directory if
a single object is lacking.
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
    """`hash` is that of the directory that training will read, as `dvc add` would write it."""

    hash: str
    status: Literal["clean", "pulled", "modified"]


def ensure_data(config: Config, *, repo: Path, progress: Message = lambda _line: None) -> DvcState:
    """Make sure that the files of `config.data` are those that `data.dvc` pins; fetch missing files.

    Args:
        repo: the directory that holds `.dvc` and `data.dvc`.
        progress: called with one line before anything slow.

    Raises:
        DataError: if data is outside the pinned directory, not pinned, changed, or missing here and in every remote.
        ConfigError: if `tracking.dvc_remote` is not a remote of this repository.
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
    if expected is None:  # in a fresh clone the cache lacks the list of the pinned files
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
    """Check out missing files, after fetching to the cache those that it lacks."""
    if pinned.not_in_cache(expected):
        why_not = pinned.fetch(roots, config.tracking.dvc_remote, tell)
        if absent := pinned.not_in_cache(expected):
            raise _missing(pinned, config.data, why_not or f"{absent} of {len(expected)} files are in no remote")
    tell(f"checking out {', '.join(pinned.shown(roots))}")
    pinned.checkout(roots)
    if pinned.found(roots) != expected:
        raise DataError(f"{pinned.name}: still differs from {PIN_FILE} after checkout; see: dvc data status --granular")


def _missing(pinned: PinnedData, data: DataConfig, why_not: str) -> DataError:
    advice = f"put the videos there and pin them: dvc add {pinned.name}"
    if dataset_of(data).is_downloadable:
        advice = (
            f"download it: python commands.py download-data data={data.name}; or name a remote that has it: "
            "dvc remote add -d NAME URL, then run this again"
        )
    return DataError(f"data.videos_dir={data.videos_dir}: missing or incomplete, and {why_not}; {advice}")


def _modified(pinned: PinnedData, roots: list[str], expected: FileHashes | None, found: FileHashes) -> DataError:
    places, accept = " ".join(pinned.shown(roots)), f"dvc add {pinned.name} pins the present state"
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
        f"{restore}; tracking.dvc_allow_modified=true trains on the present state"
    )
