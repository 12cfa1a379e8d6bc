"""What `predict` says and writes about a stream, while it comes and at its end."""

import io
import json
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from helpers.colour_backend import BLUE, GREEN, ColourBackend
from helpers.live_server import LiveServer
from rich.console import Console

from action_recognition.errors import ConfigError, UserError, VideoError
from action_recognition.inference.batch.targets import Outputs
from action_recognition.inference.inputs.base import InputSettings
from action_recognition.inference.live.live_report import report_live
from action_recognition.inference.predictor import Predictor
from action_recognition.inference.temporal.segments import SegmentSettings


def green_then_blue(number: int) -> np.ndarray:
    return np.full((48, 64, 3), GREEN if number < 40 else BLUE, np.uint8)


@pytest.fixture(scope="module")
def stream() -> Iterator[str]:
    server = LiveServer(green_then_blue)
    yield f"http://me:secret@127.0.0.1:{server.server_port}/ts"
    server.end()


class SlowBackend(ColourBackend):
    """Slower than any stream."""

    def __call__(self, clip_BCTHW: np.ndarray) -> np.ndarray:
        time.sleep(0.6)
        return super().__call__(clip_BCTHW)


def predictor_of(*, threshold: float = 0.0, slow: bool = False, **settings: float) -> Predictor:
    kind = SlowBackend if slow else ColourBackend
    inputs = InputSettings(**({"max_seconds": 1.9} | settings))  # type: ignore[arg-type]
    return Predictor(kind(fps=30.0), segments=SegmentSettings(threshold=threshold), inputs=inputs)


def test_lines_grow(stream: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Windows of 8 frames; a half-written line of a run that was killed is closed first."""
    out, path = io.StringIO(), tmp_path / "new" / "live.jsonl"
    path.parent.mkdir()
    path.write_text('{"source": "cut o')
    predictor = predictor_of()
    report_live(predictor, stream, top_k=2, outputs=Outputs(results=path), console=Console(file=out, width=200))

    first, *lines = path.read_text().splitlines()
    assert first == '{"source": "cut o'
    entries = [json.loads(line) for line in lines]
    assert len(entries) == len(out.getvalue().splitlines()) >= 5
    labels = [entry["label"] for entry in entries]
    assert labels[0] == "green"
    assert labels[-1] == "blue"
    starts = [entry["start_seconds"] for entry in entries]
    assert starts == sorted(starts)
    assert all(entry["source"].startswith("http://***@127.0.0.1:") for entry in entries)
    assert all(len(entry["top"]) == 2 for entry in entries)
    said = capsys.readouterr().err
    assert f"{len(entries)} windows in " in said
    assert "0 dropped; 0 reconnects; latency " in said
    assert "secret" not in said + out.getvalue() + path.read_text()


def test_slow_model_drops_frames_and_says_so(stream: str, capsys: pytest.CaptureFixture[str]) -> None:
    out = io.StringIO()
    predictor = predictor_of(slow=True, latency_seconds=0.7)
    report_live(predictor, stream, top_k=1, outputs=Outputs(), console=Console(file=out))
    batches = predictor.backend.batches  # type: ignore[attr-defined]
    assert 1 <= len(batches) <= 4
    assert {len(batch) for batch in batches} == {1}
    assert "frames dropped, because the model is slower than the input" in capsys.readouterr().err


def test_none_of_these(stream: str) -> None:
    out = io.StringIO()
    predictor = predictor_of(threshold=1.0, max_seconds=0.6)
    report_live(predictor, stream, top_k=1, outputs=Outputs(), console=Console(file=out))
    assert out.getvalue().count("none of these") == len(out.getvalue().splitlines()) > 0


def test_interrupt_ends_it_with_a_summary(stream: str, capsys: pytest.CaptureFixture[str]) -> None:
    timer = threading.Timer(1.0, signal.raise_signal, [signal.SIGINT])
    timer.start()
    predictor = predictor_of(max_seconds=60.0)
    report_live(predictor, stream, top_k=1, outputs=Outputs(), console=Console(file=io.StringIO()))
    timer.join()
    assert " windows in " in capsys.readouterr().err


def test_end_before_the_first_window(stream: str) -> None:
    predictor = predictor_of(max_seconds=0.01)
    with pytest.raises(VideoError, match="before a first window was whole"):
        report_live(predictor, stream, top_k=1, outputs=Outputs(), console=Console(file=io.StringIO()))


@pytest.mark.parametrize("name", ["video_dir", "timeline_dir", "cut"])
def test_what_streams_cannot_have(name: str, tmp_path: Path) -> None:
    outputs = Outputs(**{name: tmp_path / "x"})
    with pytest.raises(ConfigError, match=f"predict.{name}="):
        report_live(predictor_of(), "0", top_k=1, outputs=outputs, console=Console())
    assert list(tmp_path.iterdir()) == []


def test_output_that_cannot_grow(tmp_path: Path) -> None:
    folder = tmp_path / "x.jsonl"
    folder.mkdir()
    for path, words in ((tmp_path / "x.csv", r"expected a \.jsonl file"), (folder, "could not be written")):
        with pytest.raises(UserError, match=words):
            report_live(predictor_of(), "0", top_k=1, outputs=Outputs(results=path), console=Console())


def test_whole_prediction_needs_an_end(stream: str) -> None:
    with pytest.raises(VideoError, match="goes on without end; label it alone"):
        Predictor(ColourBackend(fps=30.0)).predict(stream)
    prediction = predictor_of(max_seconds=1.0).predict(stream)
    assert prediction.label == "green"
    assert 0.8 <= prediction.duration_seconds <= 1.1


def test_stream_gives_windows(stream: str) -> None:
    windows = list(predictor_of(max_seconds=1.0).stream(stream))
    assert [window.label for window in windows] == ["green"] * len(windows)
    assert len(windows) >= 2
