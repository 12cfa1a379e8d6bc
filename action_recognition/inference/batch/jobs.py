"""Labelling many inputs: one after the other in this process, or side by side in processes of their own."""

import os
import signal
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, redirect_stderr, suppress
from dataclasses import asdict, dataclass, replace
from functools import partial
from io import StringIO
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection, wait
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, NoReturn, Self

import cv2

from action_recognition.contract import ClipContract
from action_recognition.errors import UserError, first_line
from action_recognition.inference.backends import load_backend
from action_recognition.inference.batch.results import Record, line_of
from action_recognition.inference.inputs.base import DEFAULT_INPUTS, InputSettings
from action_recognition.inference.inputs.expand import as_clips
from action_recognition.inference.inputs.given import Given
from action_recognition.inference.prediction import Prediction
from action_recognition.inference.predictor import Predictor
from action_recognition.inference.temporal.segments import DEFAULT_SEGMENTS, SegmentSettings
from action_recognition.utils.cpu import available_cores
from action_recognition.utils.text import printable

ShowFrames = Callable[["Task", int, int], None]
Labelling = Callable[[Sequence["Task"], ShowFrames], Iterator[Record]]
END_SECONDS = 1.0  # that processes have to end by themselves


@dataclass(frozen=True, kw_only=True)
class Task:
    """One input, and what is made of it.

    Attributes:
        fingerprint: what the record says of it, see `growing_results`.
        video: a file for a copy with the labels drawn in.
        timeline: a file for a picture of the actions over time.
        cut: a folder for clips of the segments.
    """

    given: Given
    fingerprint: str | None = None
    video: Path | None = None
    timeline: Path | None = None
    cut: Path | None = None


@dataclass(frozen=True, kw_only=True)
class Setup:
    """All that makes a predictor, in any process.

    Attributes:
        kind, device: see `load_backend`.
        threshold: in place of the model's own; that of `segments` does not count.
        top_k: labels of a record.
    """

    model: Path
    kind: str
    device: str = "auto"
    batch_size: int | None = None
    overlap: float = 0.0
    segments: SegmentSettings = DEFAULT_SEGMENTS
    threshold: float | None = None
    inputs: InputSettings = DEFAULT_INPUTS
    top_k: int = 5

    def lasting(self) -> dict[str, Any]:
        """The settings that change results, beside the model."""
        kept = ("overlap", "segments", "threshold", "top_k")
        chosen = {name: value for name, value in asdict(self).items() if name in kept}
        return chosen | {"fps": self.inputs.fps, "max_seconds": self.inputs.max_seconds}

    def predictor(self, *, threads: int | None = None) -> Predictor:
        backend = load_backend(self.model, kind=self.kind, device=self.device, threads=threads)
        threshold = backend.contract.threshold if self.threshold is None else self.threshold
        return Predictor(
            backend,
            batch_size=self.batch_size,
            overlap=self.overlap,
            segments=replace(self.segments, threshold=threshold),
            inputs=self.inputs,
        )


def label(predictor: Predictor, task: Task, *, top_k: int) -> Record:
    """The record of one input."""
    answer: Prediction | Exception
    try:
        answer = predictor.predict(task.given)
    except Exception as error:
        answer = error
    return record_of(task, answer, top_k=top_k)


def record_of(task: Task, answer: Prediction | Exception, *, top_k: int, is_alone: bool = False) -> Record:
    """The record of an input; what went wrong with it is its `error`, with the result if there is one.

    Args:
        is_alone: there are no other inputs, so that a bug is raised with its traceback.
    """
    record: Record = {"source": str(task.given)}
    try:
        if isinstance(answer, Exception):
            raise answer
        found = answer.to_dict(top_k) | record
        line_of(found)
        record = found
        _write_extras(answer, task)
        return record | {"fingerprint": task.fingerprint}
    except UserError as error:
        reason = str(error)
    except MemoryError:
        reason = f"{printable(task.given)}: not enough memory for it"
    except Exception as error:
        if is_alone:
            raise
        bug = f"{type(error).__name__}: {printable(first_line(error))}"
        reason = f"{printable(task.given)}: a bug in this program, not in how it was called: {bug}"
    return record | {"error": reason}


def _write_extras(prediction: Prediction, task: Task) -> None:
    # Imported on demand: they take PyAV and matplotlib.
    if task.video is not None:
        from action_recognition.inference.labelled_video.overlay import write_labelled_video

        write_labelled_video(prediction, task.given, task.video)
    if task.timeline is not None:
        from action_recognition.inference.temporal.timeline import write_timeline

        write_timeline(task.timeline, prediction, title=task.given.name)
    if task.cut is not None:
        from action_recognition.inference.labelled_video.cut import cut_segments

        cut_segments(prediction, task.given, task.cut)


def label_here(predictor: Predictor, tasks: Sequence[Task], progress: ShowFrames, *, top_k: int) -> Iterator[Record]:
    """The record of each task, one after the other.

    Args:
        progress: called with the task, the frames done, and the frames by the header.
    """
    waiting, is_alone = deque(tasks), len(tasks) == 1
    while waiting:  # once, unless a bug ends it early
        for answer in _answers(predictor, tuple(waiting), progress):
            yield record_of(waiting.popleft(), answer, top_k=top_k, is_alone=is_alone)


def _answers(predictor: Predictor, tasks: Sequence[Task], progress: ShowFrames) -> Iterator[Prediction | Exception]:
    """A prediction or an error for each task, up to the first bug."""
    decoded = deque(tasks[:1], maxlen=1)  # by a thread, which is ahead of the model

    def inputs() -> Iterator[Given]:
        for task in tasks:
            decoded.append(task)
            yield task.given

    try:
        yield from predictor.predict_each(inputs(), progress=lambda done, total: progress(decoded[0], done, total))
    except Exception as error:
        yield error


@contextmanager
def ready(setup: Setup, given: Sequence[Given], *, workers: int) -> Iterator[tuple[Labelling, list[Given]]]:
    """Load the model here, or in `workers` processes; what labels tasks then, and the clips that `given` are.

    Raises:
        UserError: if the model cannot be loaded.
    """
    if not workers:
        predictor = setup.predictor()
        clips = as_clips(given, frames=predictor.backend.contract.frames)
        yield partial(label_here, predictor, top_k=setup.top_k), clips
        return
    with Workers(setup, workers) as processes:
        yield lambda tasks, _: processes.label(tasks), as_clips(given, frames=processes.contract.frames)


class Workers:
    """Processes that label side by side, in a `with` block; each loads the model itself.

    One that is killed loses the input that it was at, and another takes its place.

    Args:
        count: of processes. They share the cores.

    Attributes:
        contract: of the model.

    Raises:
        UserError: if the model cannot be loaded.
    """

    def __init__(self, setup: Setup, count: int) -> None:
        self._setup, self._count = setup, count
        self._threads = max(1, available_cores() // count)
        self._workers: list[_Worker] = []

    def __enter__(self) -> Self:
        try:
            self.contract = self._start().ready()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        self._end()

    def label(self, tasks: Sequence[Task]) -> Iterator[Record]:
        """The record of each task, in the order in which they are done."""
        waiting = deque(tasks)
        while waiting or any(worker.task for worker in self._workers):
            wanted = len(waiting) + sum(worker.task is not None for worker in self._workers)
            while len(self._workers) < min(self._count, wanted):
                self._start()
            for worker in self._workers:
                if waiting and worker.is_idle and worker.begin(waiting[0]):
                    waiting.popleft()
            by_connection = {worker.connection: worker for worker in self._workers}
            for connection in wait(list(by_connection)):
                worker = by_connection[connection]  # type: ignore[index]
                record = worker.answer()
                if worker.has_ended:
                    self._workers.remove(worker)
                if record is not None:
                    yield record

    def _start(self) -> "_Worker":
        worker = _Worker(self._setup, self._threads, is_first=not self._workers)
        self._workers.append(worker)
        return worker

    def _end(self) -> None:
        for worker in self._workers:
            worker.process.terminate()
        end = time.monotonic() + END_SECONDS
        for worker in self._workers:
            worker.process.join(max(0.0, end - time.monotonic()))
            worker.process.kill()
            worker.process.join()
        self._workers.clear()


class _Worker:
    """One process: it loads the model, then answers one task after the other."""

    def __init__(self, setup: Setup, threads: int, *, is_first: bool) -> None:
        context = get_context("spawn")  # a fork of a process with threads can lock up
        self.task: Task | None = None
        self.contract: ClipContract | None = None
        self.has_ended = False
        self._model = setup.model
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs, setup, threads, is_first), daemon=True)
        with _without_interrupts():  # Ctrl-C reaches all processes of a terminal; this one ends the others
            self.process.start()
        theirs.close()

    @property
    def is_idle(self) -> bool:
        return self.contract is not None and self.task is None and not self.has_ended

    def ready(self) -> ClipContract:
        """Wait for the model; raises what loading it raised."""
        while self.contract is None:
            self.answer()
        return self.contract

    def begin(self, task: Task) -> bool:
        """Hand it a task; False if it has ended, as the next answer says."""
        with suppress(OSError):
            self.connection.send(task)
            self.task = task
        return self.task is not None

    def answer(self) -> Record | None:
        """Wait for what it says: the record of its task, or None."""
        try:
            message = self.connection.recv()
        except (EOFError, OSError):
            return self._lost()
        if isinstance(message, Exception):
            raise message
        if isinstance(message, ClipContract):
            self.contract = message
            return None
        self.task = None
        return dict(message)

    def _lost(self) -> Record | None:
        self.has_ended = True
        self.process.join()
        task, self.task = self.task, None
        code = self.process.exitcode or 0
        how = f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        advice = "if memory ran out, fewer predict.workers or a smaller predict.batch_size take less"
        if self.contract is None:
            raise UserError(f"{self._model}: the process that loaded it has ended ({how}); {advice}")
        if task is None:
            return None
        return {"source": str(task.given), "error": f"{printable(task.given)}: its process has ended ({how}); {advice}"}


def _serve(connection: Connection, setup: Setup, threads: int, is_first: bool) -> None:
    """The life of a process: the contract, then a record for each task, until its parent closes the connection."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _leave)  # files that are half written are removed
    threading.Thread(target=_end_with_parent, daemon=True).start()
    cv2.setNumThreads(threads)
    try:
        with nullcontext() if is_first else redirect_stderr(StringIO()):  # what one says all would say
            predictor = setup.predictor(threads=threads)
        connection.send(predictor.backend.contract)
        while True:
            task = connection.recv()
            connection.send(label(predictor, task, top_k=setup.top_k))
    except (EOFError, BrokenPipeError):
        return
    except Exception as error:
        connection.send(error if isinstance(error, UserError) else RuntimeError(traceback.format_exc()))


def _leave(number: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG001 - the signature of handlers
    sys.exit(128 + number)


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(END_SECONDS)
        os._exit(1)


@contextmanager
def _without_interrupts() -> Iterator[None]:
    """Ctrl-C waits during the block, and never reaches processes that are started in it."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
