"""What `predict` says about a camera or a stream: a line for each window as it comes, and a summary at the end."""

import json
import signal
import time
from collections import deque
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import IO, Any

from rich.console import Console

from action_recognition.errors import ConfigError, UserError, VideoError
from action_recognition.inference.batch.targets import Outputs
from action_recognition.inference.inputs.live import LiveInput
from action_recognition.inference.inputs.open import Input, open_input
from action_recognition.inference.live.live_windows import LiveWindow
from action_recognition.inference.predictor import Predictor
from action_recognition.inference.temporal.segments import NONE_OF_THESE
from action_recognition.utils.interruption import exit_code
from action_recognition.utils.text import printable
from action_recognition.video.frames import FrameFormat

GROWING_SUFFIX = ".jsonl"
LATEST = 100_000  # windows that the median is taken of: a day and more


def report_live(predictor: Predictor, given: Input, *, top_k: int, outputs: Outputs, console: Console) -> None:
    """Label a camera or a stream until it ends, until `max_seconds` or until Ctrl-C, which is no error here.

    Args:
        top_k: labels of a window in `outputs.results`.
        outputs: `results` is a `.jsonl` file that gets a line for each window, behind what is in it; nothing else.
        console: for the lines about windows; those about drops, reconnects and the end go to stderr.

    Raises:
        ConfigError: for other outputs.
        VideoError: if it cannot be opened, was lost for too long, or ended before the first window was whole.
        UserError: if the results cannot be written.
    """
    _check(outputs)
    with ExitStack() as stack:
        file = stack.enter_context(_growing(outputs.results)) if outputs.results else None
        opened = stack.enter_context(open_input(given, FrameFormat.of(predictor.backend.contract), predictor.inputs))
        if not isinstance(opened, LiveInput):
            raise VideoError(f"{opened.origin}: was live when it was looked at, and has an end now; start again")
        report = _Report(predictor, opened, top_k=top_k, file=file, console=console)
        try:
            for answer in predictor.live(opened):
                report.add(answer)
        except KeyboardInterrupt as error:
            if exit_code(error) != 128 + signal.SIGINT:
                raise
        finally:
            report.summarize()
        if not report.windows:
            raise VideoError(f"{opened.origin}: ended after {opened.frames} frames, before a first window was whole")


def _check(outputs: Outputs) -> None:
    extras = {"video_dir": outputs.video_dir, "timeline_dir": outputs.timeline_dir, "cut": outputs.cut}
    for name, path in extras.items():
        if path is not None:
            raise ConfigError(f"predict.{name}={path}: a camera or a stream cannot have it; record a file first")
    if outputs.results and outputs.results.suffix.lower() != GROWING_SUFFIX:
        raise ConfigError(f"predict.output={outputs.results}: expected a {GROWING_SUFFIX} file, which can grow")


class _Report:
    """Prints and stores answers, and remembers how late they were."""

    def __init__(
        self, predictor: Predictor, live: LiveInput, *, top_k: int, file: IO[str] | None, console: Console
    ) -> None:
        self.windows = 0
        self._file = file
        self._predictor, self._live, self._top_k, self._console = predictor, live, top_k, console
        self._latest: deque[float] = deque(maxlen=LATEST)
        self._longest = 0.0
        self._started = time.monotonic()

    def add(self, answer: LiveWindow) -> None:
        self.windows += 1
        self._latest.append(answer.latency_seconds)
        self._longest = max(self._longest, answer.latency_seconds)
        now = datetime.now(UTC)
        entry = self._entry(answer, now)
        label = NONE_OF_THESE if entry["label"] is None else printable(entry["label"])
        line = (
            f"{now.astimezone():%H:%M:%S}  {answer.window.start_seconds:8.1f}-{answer.window.end_seconds:.1f} s  "
            f"{label}  {entry['probability']:.1%}  latency {answer.latency_seconds:.2f} s"
        )
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)
        if self._file is not None:
            # A name that is not UTF-8 has lone surrogates here, which JSON escapes.
            self._file.write(json.dumps(entry, ensure_ascii=False).encode(errors="backslashreplace").decode() + "\n")
            self._file.flush()

    def _entry(self, answer: LiveWindow, now: datetime) -> dict[str, Any]:
        window = answer.window
        top = [{"label": label, "probability": round(value, 6)} for label, value in window.top(self._top_k)]
        is_any = window.probability >= self._predictor.segments.threshold
        return {
            "source": self._live.origin,
            "time": now.isoformat(timespec="milliseconds"),
            "start_seconds": round(window.start_seconds, 3),
            "end_seconds": round(window.end_seconds, 3),
            "label": top[0]["label"] if is_any else None,
            "probability": top[0]["probability"],
            "top": top,
            "latency_seconds": round(answer.latency_seconds, 3),
        }

    def summarize(self) -> None:
        live, seconds = self._live, time.monotonic() - self._started
        line = (
            f"{live.origin}: {self.windows} windows in {seconds:.0f} seconds; {live.frames} frames, "
            f"{live.dropped} dropped; {live.reconnects} reconnects"
        )
        if self._latest:
            line += f"; latency {median(self._latest):.2f} s in the middle, {self._longest:.2f} s at most"
        Console(stderr=True).print(printable(line), markup=False, highlight=False, soft_wrap=True)


def _growing(output: Path) -> IO[str]:
    """`output`, open for more lines.

    Raises:
        UserError: if it cannot be written.
    """
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        file = output.open("a+", encoding="utf-8")
        # What was killed while it wrote left a part of a line.
        if file.tell():
            with output.open("rb") as before:
                before.seek(-1, 2)
                if before.read() != b"\n":
                    file.write("\n")
    except OSError as error:
        raise UserError(f"predict.output={output}: could not be written ({error.strerror or error})") from None
    return file
