"""The directory that `data.dvc` pins: its expected files, its files, and the part of them in DVC's cache.

DVC's public `Repo.data_status` would also hash every other data set in the directory and every output of `dvc.yaml`,
and in a fresh clone it contacts the remote even if the data is complete. So this module uses DVC's inner objects.
"""

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dvc.exceptions import DvcException, NotDvcRepoError
from dvc.repo import Repo
from dvc.scm import SCMError
from dvc_data.hashfile.build import build
from dvc_data.hashfile.db import add_update_tree
from dvc_data.hashfile.tree import Tree

from action_recognition.config import DataConfig
from action_recognition.errors import ConfigError, DataError, did_you_mean, first_line

PIN_FILE = "data.dvc"
Message = Callable[[str], None]
FileHashes = dict[str, str]  # from POSIX path relative to the pinned directory to MD5


class PinnedData:
    """The pinned directory. Methods take `roots`: POSIX paths relative to it, "" for all of it."""

    def __init__(self, dvc_repo: Repo) -> None:
        self._repo = dvc_repo
        outs = dvc_repo.stage.load_one(str(Path(dvc_repo.root_dir) / PIN_FILE)).outs
        if len(outs) != 1 or not outs[0].is_dir_checksum:
            raise DvcException("it does not pin one directory")
        self._out: Any = outs[0]
        self.name = str(self._out)
        self.path = Path(self._out.fs_path)
        self.hash = str(self._out.hash_info.value)

    def roots(self, data: DataConfig) -> list[str]:
        """The folders that a training reads, none inside another; `DataError` if one is outside this directory."""
        places = {"data.videos_dir": data.videos_dir, "data.splits_dir": data.splits_dir}
        roots = {self._below(Path(place), key) for key, place in places.items() if place is not None}
        if _is_within(Path(data.videos_dir), Path(data.dir)) and _is_within(Path(data.dir), self.path):
            roots.add(self._below(Path(data.dir), "data.dir"))
        return sorted(root for root in roots if not _is_below(root, roots - {root}))

    def expected(self, roots: list[str]) -> FileHashes | None:
        """The pinned files, or None if the list of them is not in the cache."""
        self._out.obj = None  # DVC keeps it, but a fetch may have changed it
        tree = self._out.get_obj()
        if tree is None:
            return None
        return {path: digest for path, digest in _hashes(tree).items() if _is_below(path, roots)}

    def found(self, roots: list[str]) -> FileHashes:
        """The files on disk without those in `.dvcignore`. DVC hashes a file again if its time or size changed."""
        present = [root for root in roots if (self.path / root).is_dir()]
        return {path: digest for root in present for path, digest in _hashes(self._tree(root), root).items()}

    def hash_of_workspace(self) -> str:
        """The hash that `dvc add` would write now."""
        return str(self._tree().hash_info.value)

    def keep_list_if_complete(self) -> bool:
        """Whether the whole directory is as pinned; if so, its list of files goes to the cache, for `expected`."""
        if not self.path.is_dir() or (tree := self._tree()).hash_info != self._out.hash_info:
            return False
        add_update_tree(self._out.cache, tree)
        return True

    def not_in_cache(self, expected: FileHashes) -> int:
        """The number of files that the cache lacks."""
        return sum(not self._out.cache.exists(digest) for digest in set(expected.values()))

    def fetch(self, roots: list[str], remote: str | None, tell: Message) -> str:
        """Download from a remote to the cache; return why that failed, or an empty string."""
        remotes = self._repo.config["remote"]
        if remote is not None and remote not in remotes:
            known = f"expected one of {', '.join(remotes)}" if remotes else "no remote is set; see: dvc remote add"
            raise ConfigError(f"tracking.dvc_remote={remote}: {known}{did_you_mean(remote, remotes)}")
        name = remote or self._repo.config["core"].get("remote")
        if name is None:
            return "no DVC remote is set"
        tell(f"fetching {', '.join(self.shown(roots))} from DVC remote {name}")
        with _failures_of_dvc() as failures:
            try:
                self._repo.fetch(self._targets(roots), remote=remote)
            except Exception as error:  # each kind of remote raises what its library raises
                failures.insert(0, first_line(error))
        if failures:
            return f"DVC remote {name}: {failures[-1]}"
        return "" if self.expected(roots) is not None else f"DVC remote {name} does not have it"

    def checkout(self, roots: list[str]) -> None:
        """Only allowed if the cache has all files of the roots: DVC deletes the directory if one is lacking."""
        self._repo.checkout(self._targets(roots))

    def shown(self, roots: list[str]) -> list[str]:
        return [f"{self.name}/{root}".rstrip("/") for root in roots]

    def _targets(self, roots: list[str]) -> list[str]:
        return [str(self.path / root) for root in roots]

    def _tree(self, root: str = "") -> Tree:
        place, ignore = str(self.path / root), self._repo.dvcignore
        _, _, tree = build(self._out.cache, place, self._out.fs, "md5", ignore=ignore, dry_run=True)
        assert isinstance(tree, Tree)
        return tree

    def _below(self, place: Path, key: str) -> str:
        if not _is_within(place, self.path):
            raise DataError(
                f"{key}={place}: outside {self.name}/, which {PIN_FILE} pins; train on it with python commands.py "
                f"train-ml-flow, or move it into {self.name}/ and pin that: dvc add {self.name}"
            )
        relative = place.resolve().relative_to(self.path.resolve()).as_posix()
        return "" if relative == "." else relative


@contextmanager
def open_pinned_data(directory: Path) -> Iterator[PinnedData]:
    """The data pinned in `directory`; `DataError` if it is no DVC repository or has no usable `data.dvc`."""
    for name in ("dvc", "dvc_data", "dvc_objects"):
        logging.getLogger(name).setLevel(logging.ERROR)  # its warnings repeat our own line
    directory = directory.absolute()
    if not (directory / ".dvc").is_dir():
        raise DataError(f"{directory}: no DVC repository; make it one: dvc init, then pin the data: dvc add data")
    if not (directory / PIN_FILE).is_file():
        raise DataError(f"{directory / PIN_FILE}: no such file; pin the data: dvc add data")
    try:
        repo = Repo(str(directory))
    except (NotDvcRepoError, SCMError) as error:
        raise DataError(
            f"{directory}: DVC needs a git repository ({first_line(error)}); git init, or: dvc config core.no_scm true"
        ) from None
    except DvcException as error:
        raise DataError(f"{directory / '.dvc' / 'config'}: {first_line(error)}") from None
    with repo:
        try:
            pinned = PinnedData(repo)
        except DvcException as error:
            reason = first_line(error)
            raise DataError(f"{directory / PIN_FILE}: not a DVC file ({reason}); pin the data: dvc add data") from None
        yield pinned


@contextmanager
def _failures_of_dvc() -> Iterator[list[str]]:
    """Why a remote could not be read, one line each: DVC 3.67 only logs that, and goes on as if it were empty."""
    failures: list[str] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            error = record.exc_info[1] if record.exc_info else None
            if error is not None and not isinstance(error, FileNotFoundError):
                failures.append(first_line(error))

    logger, listener = logging.getLogger("dvc_data.index"), Listener()
    level, propagate = logger.level, logger.propagate
    logger.addHandler(listener)
    logger.setLevel(logging.DEBUG)
    logger.propagate = False  # our own line reports it
    try:
        yield failures
    finally:
        logger.removeHandler(listener)
        logger.setLevel(level)
        logger.propagate = propagate


def _hashes(tree: Any, root: str = "") -> FileHashes:
    prefix = f"{root}/" if root else ""
    return {f"{prefix}{'/'.join(key)}": str(info.value) for key, _, info in tree}


def _is_below(path: str, roots: Iterable[str]) -> bool:
    return any(not root or path == root or path.startswith(f"{root}/") for root in roots)


def _is_within(place: Path, directory: Path) -> bool:
    return place.resolve().is_relative_to(directory.resolve())
