"""DVC around training: is the data what `data.dvc` pins, and if it is missing, where can it be had?

Only the files that a training reads are looked at, so a second data set in the same folder disturbs nobody.
Missing files are put in place only when the cache holds all of them: DVC 3.67's own `checkout`, and with it `pull`,
deletes the whole pinned directory when a single object is lacking.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from dvc.exceptions import DvcException, NotDvcRepoError
from dvc.lock import LockError
from dvc.repo import Repo
from dvc.scm import SCMError
from dvc_data.hashfile.build import build
from dvc_data.hashfile.db import add_update_tree
from dvc_data.hashfile.tree import Tree

from action_recognition.config import Config, DataConfig
from action_recognition.errors import ConfigError, DataError, did_you_mean

PIN_FILE = "data.dvc"
Message = Callable[[str], None]
FileHashes = dict[str, str]  # path relative to the pinned directory, "/" between its parts, to MD5


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
    tell = progress or _say_nothing
    with _pinned_data(repo) as pinned:
        try:
            return _checked(pinned, config, tell)
        except LockError:
            raise DataError(f"{repo}: DVC is locked by another process; wait for it to end, then run again") from None
        except (DvcException, SCMError, OSError) as error:
            raise DataError(f"DVC failed on {PIN_FILE}: {_first_line(error)}; see: dvc status {PIN_FILE}") from error


def _checked(pinned: "PinnedData", config: Config, tell: Message) -> DvcState:
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


def _restore(pinned: "PinnedData", config: Config, roots: list[str], expected: FileHashes, tell: Message) -> None:
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


class PinnedData:
    """The directory that `data.dvc` pins: what it should hold, what it holds, what the cache has of it.

    Methods take `roots`: paths below the pinned directory, with "/" between their parts, "" for all of it.
    """

    def __init__(self, dvc_repo: Repo) -> None:
        self._repo = dvc_repo
        self._directory = Path(dvc_repo.root_dir)
        outs = dvc_repo.stage.load_one(str(self._directory / PIN_FILE)).outs
        if len(outs) != 1 or not outs[0].is_dir_checksum:
            raise DvcException("it does not pin one directory")
        self._out: Any = outs[0]
        self.name = str(self._out)
        self.path = Path(self._out.fs_path)
        self.hash = str(self._out.hash_info.value)

    def roots(self, data: DataConfig) -> list[str]:
        """What a training reads, none inside another.

        Raises:
            DataError: if some of it lies outside the pinned directory.
        """
        places = {"data.videos_dir": data.videos_dir, "data.splits_dir": data.splits_dir}
        roots = {self._below(Path(place), key) for key, place in places.items() if place is not None}
        if _is_within(Path(data.videos_dir), Path(data.dir)) and _is_within(Path(data.dir), self.path):
            roots.add(self._below(Path(data.dir), "data.dir"))
        return sorted(r for r in roots if not any(other != r and _starts(r, other) for other in roots))

    def expected(self, roots: list[str]) -> FileHashes | None:
        """Files that are pinned; None while the list of them is not in the cache."""
        self._out.obj = None  # DVC remembers it, and a fetch may have brought it since
        tree = self._out.get_obj()
        if tree is None:
            return None
        hashes = {"/".join(key): str(info.value) for key, _, info in tree}
        return {path: digest for path, digest in hashes.items() if any(_starts(path, root) for root in roots)}

    def found(self, roots: list[str]) -> FileHashes:
        """Files that are there, less what `.dvcignore` names. Hashes are remembered by modification time and size."""
        hashes: FileHashes = {}
        for root in roots:
            if (self.path / root).is_dir():
                prefix = f"{root}/" if root else ""
                hashes |= {f"{prefix}{'/'.join(key)}": str(info.value) for key, _, info in self._tree(root)}
        return hashes

    def hash_of_workspace(self) -> str:
        return str(self._tree("").hash_info.value)

    def keep_list_if_whole(self) -> bool:
        """Whether the whole directory is as pinned; if so, its list goes to the cache, for finer questions later."""
        if not self.path.is_dir():
            return False
        tree = self._tree("")
        if tree.hash_info != self._out.hash_info:
            return False
        add_update_tree(self._out.cache, tree)
        return True

    def not_in_cache(self, expected: FileHashes) -> int:
        """How many of the files the cache lacks."""
        return sum(not self._out.cache.exists(digest) for digest in set(expected.values()))

    def fetch(self, roots: list[str], remote: str | None, tell: Message) -> str:
        """Download to the cache what a remote has; returns why nothing could be had, or an empty string."""
        remotes = self._repo.config["remote"]
        if remote is not None and remote not in remotes:
            known = f"expected one of {', '.join(remotes)}" if remotes else "no remote is set; see: dvc remote add"
            raise ConfigError(f"tracking.dvc_remote={remote}: {known}{did_you_mean(remote, remotes)}")
        name = remote or self._repo.config["core"].get("remote")
        if name is None:
            return "no DVC remote is set"
        tell(f"fetching {', '.join(self.shown(roots))} from DVC remote {name}")
        try:
            self._repo.fetch(self._targets(roots), remote=remote)
        except Exception as error:  # the remotes' own libraries raise what they like
            return f"DVC remote {name}: {_first_line(error)}"
        return "" if self.expected(roots) is not None else f"DVC remote {name} does not have it"

    def checkout(self, roots: list[str]) -> None:
        self._repo.checkout(self._targets(roots))

    def shown(self, roots: list[str]) -> list[str]:
        return [f"{self.name}/{root}".rstrip("/") for root in roots]

    def _targets(self, roots: list[str]) -> list[str]:
        return [str(self.path / root) for root in roots]

    def _tree(self, root: str) -> Tree:
        place = str(self.path / root) if root else str(self.path)
        ignore = self._repo.dvcignore
        _, _, tree = build(self._out.cache, place, self._out.fs, "md5", ignore=ignore, dry_run=True)
        assert isinstance(tree, Tree)
        return tree

    def _below(self, place: Path, key: str) -> str:
        if not _is_within(place, self.path):
            raise DataError(
                f"{key}={place}: outside {self.name}/, which {PIN_FILE} pins; train on it with python commands.py "
                f"train-ml-flow, or bring it into {self.name}/ and pin that: dvc add {self.name}"
            )
        relative = place.resolve().relative_to(self.path.resolve()).as_posix()
        return "" if relative == "." else relative


@contextmanager
def _pinned_data(directory: Path) -> Iterator[PinnedData]:
    _quiet_dvc()
    directory = directory.absolute()
    if not (directory / ".dvc").is_dir():
        raise DataError(f"{directory}: no DVC repository; make it one: dvc init, then pin the data: dvc add data")
    if not (directory / PIN_FILE).is_file():
        raise DataError(f"{directory / PIN_FILE}: no such file; pin the data: dvc add data")
    try:
        repo = Repo(str(directory))
    except (NotDvcRepoError, SCMError) as error:
        raise DataError(
            f"{directory}: DVC needs a git repository ({_first_line(error)}); git init, or: dvc config core.no_scm true"
        ) from None
    except DvcException as error:
        raise DataError(f"{directory / '.dvc' / 'config'}: {_first_line(error)}") from None
    with repo:
        try:
            pinned = PinnedData(repo)
        except DvcException as error:
            reason = _first_line(error)
            raise DataError(f"{directory / PIN_FILE}: not a DVC file ({reason}); pin the data: dvc add data") from None
        yield pinned


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


def _quiet_dvc() -> None:
    """DVC's warnings repeat what our own line says; its progress bars stay."""
    for name in ("dvc", "dvc_data", "dvc_objects"):
        logger = logging.getLogger(name)
        logger.propagate = False
        if not logger.handlers:
            logger.addHandler(logging.NullHandler())


def _starts(path: str, root: str) -> bool:
    return not root or path == root or path.startswith(f"{root}/")


def _is_within(place: Path, directory: Path) -> bool:
    return place.resolve().is_relative_to(directory.resolve())


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
