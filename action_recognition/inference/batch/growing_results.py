"""`predict.output` while it grows: nothing that was finished is lost or done again, however a run ends.

A finished record is one appended line of JSON: of `predict.output` itself if that is JSON lines, else of a hidden
journal beside it, from which the output is written now and then, and at the end.
"""

import errno
import hashlib
import json
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

from action_recognition.errors import UserError
from action_recognition.inference.batch.results import Record, line_of, read_results, storable, write_results
from action_recognition.inference.inputs.given import Given
from action_recognition.utils.files import replacing
from action_recognition.utils.locks import locked
from action_recognition.video.clip_files import clip_files

LINES = ".jsonl"
DIGITS = 12  # of each half of a fingerprint
# The output is written anew while it grows, but this takes at most one part in 20 of the time.
WRITE_SECONDS, WRITE_SHARE = 30.0, 1 / 20


def fingerprint_of_run(model: Path, settings: dict[str, Any]) -> str:
    """The same for the same content of the model file and the same settings."""
    with model.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
    digest.update(json.dumps(settings, sort_keys=True).encode())
    return digest.hexdigest()[:DIGITS]


def fingerprint_of_file(given: Given, cut: Path | None = None) -> str | None:
    """Of the sizes and times of change of an input's files; None for inputs that are no files.

    Args:
        cut: where its segments are cut to; they have to be cut again if that is another folder.
    """
    if not isinstance(given, Path):
        return None
    digest = hashlib.sha256(line_of({"cut": str(cut)}))
    try:
        for file in clip_files(given):
            found = file.stat()
            digest.update(f"{file.name}\0{found.st_size}\0{found.st_mtime_ns}\n".encode(errors="backslashreplace"))
    except (OSError, ValueError):
        return None
    return digest.hexdigest()[:DIGITS]


@contextmanager
def growing_results(output: Path, run: str, order: Sequence[str]) -> Iterator["GrowingResults"]:
    """`output`, open to add records to it; it is complete when the block ends, even by Ctrl-C.

    What it holds already stays. If that was made by another model, with other settings or by another program, it is set
    aside first: `labels.csv` becomes `labels.1.csv`.

    Args:
        run: see `fingerprint_of_run`.
        order: the sources of the inputs, as the records are to be sorted; records of others go behind them.

    Raises:
        DataError: if another process writes to it.
        UserError: if it cannot be written.
    """
    with locked(output.with_name(f".{output.name}.lock"), work=f"labelling into {output}"):
        results = GrowingResults(output, run, order)
        try:
            yield results
        except UserError:  # such as a full disk; what is stored is in the journal
            raise
        except BaseException:
            results.finish()
            raise
        else:
            results.finish()
        finally:
            results.close()


class GrowingResults:
    """The records of one output, on disk; in memory is only where each of them begins.

    Attributes:
        set_aside: where what was at `output` is now, if it was not of this run or one like it.
    """

    def __init__(self, output: Path, run: str, order: Sequence[str]) -> None:
        self.output = output
        self._run = run
        self._order = [storable(source) for source in order]
        self._is_lines = output.suffix.lower() == LINES
        self._journal = output if self._is_lines else output.with_name(f".{output.name}.journal")
        self._places: dict[str, int] = {}
        self._done: dict[str, str] = {}
        self._lines = self._end = 0  # lines and bytes of the journal
        self._is_written = self._is_lines  # the output holds what the journal does
        self._next_write = time.monotonic() + WRITE_SECONDS
        try:
            self.set_aside = self._take_over()
            self._file = self._journal.open("ab+", buffering=0)
        except OSError as error:
            raise self._not_written(error) from None

    def is_done(self, source: str, file: str | None) -> bool:
        """Whether an input was labelled without an error; `file` is its fingerprint."""
        return file is not None and self._done.get(storable(source)) == self.fingerprint(file)

    def fingerprint(self, file: str | None) -> str:
        """Of a record: of the run and of its input."""
        return f"{self._run}-{file or ''}"

    def add(self, record: Record) -> None:
        """Store a record; it replaces an earlier one of the same source.

        Raises:
            UserError: if the disk is full, for example.
        """
        line = line_of(record)
        try:
            if self._file.write(line) != len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            raise self._not_written(error) from None
        self._note(record, self._end)
        self._end += len(line)
        self._is_written = self._is_lines
        if not self._is_lines and time.monotonic() > self._next_write:
            started = time.monotonic()
            write_results(self.output, self._in_order())
            spent = time.monotonic() - started
            self._next_write = time.monotonic() + max(WRITE_SECONDS, spent / WRITE_SHARE)

    def get(self, source: str) -> Record:
        """The latest record of a source that has one."""
        return next(self._at([storable(source)]))

    def finish(self) -> None:
        """Write the output: this run's inputs in their order, then those of earlier runs.

        Raises:
            UserError: if it cannot be written.
        """
        is_sorted = self._lines == len(self._places) and self._keys() == list(self._places)
        if not (is_sorted and self._is_written):
            write_results(self.output, self._in_order())
        if not self._is_lines:
            self._journal.unlink(missing_ok=True)

    def close(self) -> None:
        self._file.close()

    def _keys(self) -> list[str]:
        ours = dict.fromkeys(key for key in self._order if key in self._places)
        return [*ours, *(key for key in self._places if key not in ours)]

    def _in_order(self) -> Iterator[Record]:
        return self._at(self._keys())

    def _at(self, keys: Iterable[str]) -> Iterator[Record]:
        with self._journal.open("rb") as file:
            for key in keys:
                file.seek(self._places[key])
                yield json.loads(file.readline())

    def _take_over(self) -> list[Path]:
        """Load what an earlier run left, or set it aside; returns where that is then."""
        is_new = self._is_lines or not self._journal.exists()  # else the journal of a run that was killed
        try:
            if is_new and not self._is_lines and _has_content(self.output):
                with replacing(self._journal) as partial, partial.open("wb") as file:
                    file.writelines(map(line_of, read_results(self.output)))
                self._is_written = True
            if _has_content(self._journal):
                self._load()
            return []
        except ValueError:
            self._places.clear()
            self._done.clear()
        aside = []
        if self.output.exists():
            aside.append(self._free_name())
            self.output.rename(aside[-1])
        if not is_new:
            aside.append(self._free_name())
            write_results(aside[-1], (record for _, record in _whole_lines(self._journal)))
        if not self._is_lines:
            self._journal.unlink(missing_ok=True)
        return aside

    def _load(self) -> None:
        """Raises `ValueError` if these are not the results of such a run."""
        end = 0
        for end, record in _whole_lines(self._journal):
            self._note(record, self._end)
            self._end = end
        if not self._places:
            raise ValueError("no records")
        os.truncate(self._journal, end)  # a kill may have left a part of a line

    def _note(self, record: Record, place: int) -> None:
        key, fingerprint = storable(record["source"]), record.get("fingerprint")
        self._lines += 1
        self._places[key] = place
        self._done.pop(key, None)
        if "error" in record:
            return
        if not isinstance(fingerprint, str) or not fingerprint.startswith(f"{self._run}-"):
            raise ValueError("of another run")
        self._done[key] = fingerprint

    def _free_name(self) -> Path:
        names = (self.output.with_name(f"{self.output.stem}.{number}{self.output.suffix}") for number in count(1))
        return next(path for path in names if not os.path.lexists(path))

    def _not_written(self, error: OSError) -> UserError:
        return UserError(f"predict.output={self.output}: could not be written ({error.strerror or error})")


def _has_content(path: Path) -> bool:
    return path.exists() and path.stat().st_size > 0


def _whole_lines(path: Path) -> Iterator[tuple[int, Record]]:
    """The records of a journal, each with where its line ends; `ValueError` for a line that holds none."""
    end = 0
    with path.open("rb") as file:
        for line in file:
            if not line.endswith(b"\n"):
                return
            end += len(line)
            record = json.loads(line)
            if not isinstance(record, dict) or not isinstance(record.get("source"), str):
                raise ValueError("a record without a source")
            yield end, record
