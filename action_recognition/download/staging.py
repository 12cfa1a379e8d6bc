"""`<destination>.partial`: everything an unfinished unpacking has on disk, so that the next run can go on from it."""

import json
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from action_recognition.download.files import read_json, write_json
from action_recognition.errors import DataError

RECEIPT = ".unpacked.json"
_OWN_NAMES = {"tree", "scratch", "done.jsonl", "archive.json", "archive.json.new"}


@dataclass(frozen=True)
class Staging:
    """`tree`: files that are whole; `scratch`: the file being written and the inner archive it comes from;
    `done.jsonl`: the inner archives that are finished; `archive.json`: the archive all this came from."""

    path: Path

    @property
    def tree(self) -> Path:
        return self.path / "tree"

    @property
    def scratch(self) -> Path:
        return self.path / "scratch"

    @property
    def done_path(self) -> Path:
        return self.path / "done.jsonl"

    @classmethod
    def open(cls, path: Path, source: dict[str, Any]) -> "Staging":
        """Go on with what is there if it came from the same archive; else start anew."""
        staging, owner = cls(path), path / "archive.json"
        if path.exists() and read_json(owner) != source:
            if not path.is_dir() or any(child.name not in _OWN_NAMES for child in path.iterdir()):
                raise DataError(f"{path}: not made by this command, and the name is needed; move it away and run again")
            shutil.rmtree(path)
        if not owner.exists():
            path.mkdir(parents=True, exist_ok=True)
            write_json(owner, source)
        shutil.rmtree(staging.scratch, ignore_errors=True)
        staging.scratch.mkdir()
        staging.tree.mkdir(exist_ok=True)
        return staging

    def staged_bytes(self) -> int:
        return sum(path.stat().st_size for path in self.tree.rglob("*") if path.is_file())

    def has(self, name: str, size_bytes: int) -> bool:
        """Whether the tree has the whole file: files get there by a rename, once they are written and checked."""
        path = self.tree / name
        return path.is_file() and path.stat().st_size == size_bytes

    def done(self) -> dict[str, dict[str, int]]:
        """The files (path in the tree: bytes) of each inner archive that was finished and is still there whole."""
        done: dict[str, dict[str, int]] = {}
        with suppress(FileNotFoundError):
            for line in self.done_path.read_text(encoding="utf-8").splitlines():
                with suppress(ValueError):  # empty, or cut short when a run was killed
                    entry = json.loads(line)
                    if all(self.has(name, size_bytes) for name, size_bytes in entry["files"].items()):
                        done[entry["inner"]] = entry["files"]
        return done

    def add_done(self, inner: str, files: dict[str, int]) -> None:
        with self.done_path.open("a", encoding="utf-8") as file:
            # The newline first: it also closes a line that was cut short.
            file.write("\n" + json.dumps({"inner": inner, "files": files}))


def finished(destination: Path, source: dict[str, Any]) -> dict[str, int] | None:
    """The files of a complete `destination`, None where there is nothing yet; `DataError` for anything else there."""
    if not destination.exists() or (destination.is_dir() and not any(destination.iterdir())):
        return None
    receipt = read_json(destination / RECEIPT)
    if receipt is not None and receipt.get("archive") == source:
        return dict(receipt["files"])
    what = "was unpacked from another archive" if receipt else "is there and was not unpacked by this command"
    raise DataError(f"{destination}: {what}; move it away, or choose another folder, and run again")
