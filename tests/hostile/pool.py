"""Child processes that try inputs, each input under a limit of time and memory; one that dies names its input."""

import json
import os
import queue
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import psutil
from helpers.support import ROOT
from hostile.corpus import Kind
from hostile.outcomes import WRONG, Outcome

WORKERS = 2
STARTS_WITHIN_SECONDS = 120.0
LOOKS_EVERY_SECONDS = 0.02


@dataclass
class Worker:
    """One child process, started when it is needed and again when it has died."""

    kind: Kind
    material: Path
    folder: Path
    process: subprocess.Popen[str] | None = field(default=None, init=False)

    def try_input(self, number: int) -> Outcome:
        process = self.process = self.process or self._start()
        assert process.stdin
        process.stdin.write(f"{number}\n")
        process.stdin.flush()
        line, why, megabytes = self._wait(process, self.kind.seconds)
        if line:
            return replace(Outcome(**json.loads(line)), megabytes=megabytes)
        self._end()
        return Outcome(verdict=WRONG, what="?", line=why, megabytes=megabytes)

    def close(self) -> None:
        if self.process:
            self._end()

    def _start(self) -> subprocess.Popen[str]:
        path = os.pathsep.join([str(ROOT), str(ROOT / "tests"), *sys.path])
        environment = os.environ | {
            "PYTHONPATH": path,
            "OMP_NUM_THREADS": "1",
            "OPENCV_LOG_LEVEL": "OFF",  # as the package itself has it, but the corpus imports OpenCV first
            "COLUMNS": "120",
            "CUDA_VISIBLE_DEVICES": "",
            "PYTHONFAULTHANDLER": "",
        }
        log = (self.folder / f"worker-{threading.get_ident()}.log").open("ab")
        process = subprocess.Popen(
            [sys.executable, "-m", "hostile.worker", self.kind.name, str(self.material), str(self.folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env=environment,
            cwd=self.folder,
            start_new_session=True,
        )
        line, why, _ = self._wait(process, STARTS_WITHIN_SECONDS, bounded=False)
        assert line, f"a worker did not start: {why}: {Path(log.name).read_text()[-2000:]}"
        return process

    def _wait(self, process: subprocess.Popen[str], seconds: float, *, bounded: bool = True) -> tuple[str, str, float]:
        """Its next line, or why there is none; and by how many megabytes it grew at most."""
        assert process.stdout
        watched = psutil.Process(process.pid)
        before, most = _resident(watched), 0.0
        end = time.monotonic() + seconds
        while True:
            ready, _, _ = select.select([process.stdout], [], [], LOOKS_EVERY_SECONDS)
            most = max(most, _resident(watched) - before)
            if ready:
                line = process.stdout.readline()
                return line, "" if line else _end_of(process), most
            if bounded and most > self.kind.megabytes:
                return "", f"grew by more than {self.kind.megabytes:.0f} MB", most
            if time.monotonic() > end:
                return "", f"took more than {seconds:.0f} s", most

    def _end(self) -> None:
        process, self.process = self.process, None
        if process:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()


def _resident(process: psutil.Process) -> float:
    try:
        return float(process.memory_info().rss) / 1e6
    except psutil.Error:
        return 0.0


def _end_of(process: subprocess.Popen[str]) -> str:
    code = process.wait(timeout=10)
    return f"the process died of {signal.Signals(-code).name}" if code < 0 else f"the process ended with {code}"


def try_all(
    kind: Kind,
    numbers: Sequence[int],
    *,
    material: Path,
    folder: Path,
    workers: int = WORKERS,
    done: Callable[[int, Outcome], None] | None = None,
) -> dict[int, Outcome]:
    """Try inputs in several child processes; what each number ended with."""
    todo: queue.SimpleQueue[int] = queue.SimpleQueue()
    for number in numbers:
        todo.put(number)
    outcomes: dict[int, Outcome] = {}
    failures: list[BaseException] = []

    def work() -> None:
        worker = Worker(kind, material, folder)
        try:
            while not failures:
                number = todo.get_nowait()
                outcomes[number] = worker.try_input(number)
                if done:
                    done(number, outcomes[number])
        except queue.Empty:
            pass
        except BaseException as error:
            failures.append(error)
        finally:
            worker.close()

    threads = [threading.Thread(target=work) for _ in range(min(workers, len(numbers)))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    return dict(sorted(outcomes.items()))
