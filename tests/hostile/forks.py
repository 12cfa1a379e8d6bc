"""Commands that are killed: each runs in a fork of a process that has imported everything, so that it dies at work.

One line of JSON in (`folder`, `words`, `kill_after_seconds`), one out (`code`, `seconds`, `said`).
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from helpers.support import ROOT


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How a command ended: its exit code (-9 if it was killed), how long it took, and all that it printed."""

    code: int
    seconds: float
    said: str


class Forks:
    """Starts the forking process; `run` has it run a command in a folder."""

    def __init__(self) -> None:
        path = os.pathsep.join([str(ROOT), str(ROOT / "tests"), *sys.path])
        quiet = {"OMP_NUM_THREADS": "1", "COLUMNS": "120", "CUDA_VISIBLE_DEVICES": "", "OPENCV_LOG_LEVEL": "OFF"}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "hostile.forks"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": path} | quiet,
            start_new_session=True,
        )
        self._ask({"folder": "/", "words": ["--help"], "kill_after_seconds": None})

    def run(self, folder: Path, words: Sequence[str], *, kill_after_seconds: float | None = None) -> Ended:
        return self._ask({"folder": str(folder), "words": list(words), "kill_after_seconds": kill_after_seconds})

    def close(self) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait(timeout=60)

    def _ask(self, question: dict[str, Any]) -> Ended:
        assert self._process.stdin
        assert self._process.stdout
        print(json.dumps(question), file=self._process.stdin, flush=True)
        return Ended(**json.loads(self._process.stdout.readline()))


def serve(questions: IO[str], answers: IO[str]) -> None:
    """Answer questions until there are no more."""
    # What the commands import, and no more: nothing may be computed before a fork, or threads would be missing in it.
    import lightning  # noqa: F401
    import mlflow  # noqa: F401
    import onnxruntime  # noqa: F401
    import onnxscript  # noqa: F401
    import optuna  # noqa: F401
    import torch.onnx  # noqa: F401

    for line in iter(questions.readline, ""):
        print(json.dumps(_run(**json.loads(line))), file=answers, flush=True)


def _run(folder: str, words: list[str], kill_after_seconds: float | None) -> dict[str, Any]:
    reading, writing = os.pipe()
    began = time.monotonic()
    pid = os.fork()
    if pid == 0:
        _be_command(folder, words, reading, writing)
    os.close(writing)
    if kill_after_seconds is not None:  # it is not reaped before, so that the id stays its own
        time.sleep(kill_after_seconds)
        try:
            os.killpg(pid, signal.SIGKILL)
        except ProcessLookupError:  # not yet a group of its own
            os.kill(pid, signal.SIGKILL)
    with os.fdopen(reading, "rb") as said:
        text = said.read().decode(errors="replace")
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return {"code": code, "seconds": time.monotonic() - began, "said": text}


def _be_command(folder: str, words: list[str], reading: int, writing: int) -> None:
    os.setsid()
    os.close(reading)
    os.chdir(folder)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(writing, 1)
    os.dup2(writing, 2)
    # New ones: the old may believe that they write to a file, which has places to seek.
    sys.stdout, sys.stderr = os.fdopen(1, "w", buffering=1), os.fdopen(2, "w", buffering=1)
    code = 1
    try:
        from action_recognition.cli.main import main

        code = main(words)
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    answering = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    serve(os.fdopen(os.dup(0), "r", buffering=1), answering)
