"""A live stream labelled for minutes, its server ended and started again in the middle: latency, drops, reconnects.

    python benchmarks/live.py MODEL.onnx [VIDEOS] [--seconds 120] [--kinds ts mjpeg rtsp slow]

VIDEOS is a folder of clips that a server in a process of its own sends in real time, one after the other, at 30 frames
a second: as MPEG-TS and as MJPEG over HTTP, and as MPEG-TS over RTSP. Half-way the server is killed; it comes back
after three seconds. `slow` is the MPEG-TS stream with the same model run so often for each window that it needs 1.5
times the window's length.

The latency of an answer is the time from the arrival of the last frame of its window. `behind` is how far the frames
that arrived were behind what the server had sent, at most. `model` is the seconds of one run, `lost` counts connections
that were lost and made again, `windows` are those before and after, and MB is the memory early and at the end.
"""

import argparse
import multiprocessing
import sys
import threading
import time
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import psutil
from numpy.typing import NDArray
from report import ROOT, report

from action_recognition.inference.backends import Backend, load_backend
from action_recognition.inference.inputs.base import InputSettings
from action_recognition.inference.inputs.live import LiveInput
from action_recognition.inference.inputs.stream import open_stream
from action_recognition.inference.predictor import Predictor
from action_recognition.video.decoder import VideoFile
from action_recognition.video.frames import Frame, FrameFormat

FPS, SHORT_SIDE, MOST_FRAMES = 30, 240, 900
LATENCY_SECONDS = 2.0
AWAY_SECONDS = 3.0
TIMES_TOO_SLOW = 1.5
KINDS = ("ts", "mjpeg", "rtsp", "slow")
SETTLED = 0.25  # share of the time after which memory is compared


@dataclass
class Outcome:
    """What was seen of one kind of stream."""

    latencies: list[float] = field(default_factory=list)
    behind: list[float] = field(default_factory=list)
    before: int = 0
    after: int = 0
    frames: int = 0
    dropped: int = 0
    reconnects: int = 0
    run_seconds: float = 0.0
    memory_mb: list[float] = field(default_factory=list)


def main() -> None:
    arguments = parse_arguments()
    fast = load_backend(arguments.model, kind="onnx", device="cpu")
    outcomes = {}
    for kind in arguments.kinds:
        backend = Slower(fast) if kind == "slow" else fast
        outcomes[kind] = measure(kind, backend, arguments.videos, arguments.seconds)
        print(f"{kind}: {outcomes[kind].after} windows after the restart", flush=True)
    columns = (
        "stream", "model", "latency p50", "p95", "max", "behind", "frames", "dropped", "lost", "windows", "MB",
    )  # fmt: skip
    report(
        __file__,
        title=f"Live streams, {arguments.seconds:g} seconds each, restart in the middle; predict.latency_seconds=2",
        columns=columns,
        rows=[row(kind, outcome) for kind, outcome in outcomes.items()],
        figures={f"latency_max_{kind}": max(outcome.latencies) for kind, outcome in outcomes.items()},
        settings={"seconds": arguments.seconds, "model": arguments.model.name, "latency_seconds": LATENCY_SECONDS},
    )


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="what export-onnx wrote")
    parser.add_argument("videos", type=Path, nargs="?", default=ROOT.parent / "shared" / "videos")
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS)
    return parser.parse_args()


def measure(kind: str, backend: Backend, videos: Path, seconds: float) -> Outcome:
    """Label a stream for so long; the server is away for `AWAY_SECONDS` in the middle."""
    outcome, process, predictor = Outcome(), psutil.Process(), Predictor(backend)
    outcome.run_seconds = run_seconds(backend)
    server = Server("ts" if kind == "slow" else kind, videos)
    settings = InputSettings(max_seconds=seconds, latency_seconds=LATENCY_SECONDS)
    timer = threading.Timer(seconds / 2, server.restart)
    try:
        with open_stream(server.url, FrameFormat.of(backend.contract), settings) as live:
            assert isinstance(live, LiveInput)
            timer.start()
            for answer in predictor.live(live):
                outcome.latencies.append(answer.latency_seconds)
                outcome.memory_mb.append(process.memory_info().rss / 1e6)
                if live.reconnects:
                    outcome.after += 1
                elif not server.was_killed:
                    outcome.before += 1
                    outcome.behind.append((server.sent.value - live.frames) / FPS)
            outcome.frames, outcome.dropped, outcome.reconnects = live.frames, live.dropped, live.reconnects
    finally:
        timer.join()
        server.end()
    return outcome


def run_seconds(backend: Backend) -> float:
    """For one window, once it is warm."""
    clip_BCTHW = np.zeros((1, *backend.contract.clip_shape), np.uint8)
    backend(clip_BCTHW)
    began = time.monotonic()
    backend(clip_BCTHW)
    return time.monotonic() - began


class Slower:
    """The same model run on a clip again and again for `TIMES_TOO_SLOW` times the length of a window."""

    def __init__(self, fast: Backend) -> None:
        self.contract, self.device, self._fast = fast.contract, fast.device, fast
        window_seconds = fast.contract.frames * fast.contract.stride / (fast.contract.fps or FPS)
        self._seconds = TIMES_TOO_SLOW * window_seconds

    def __call__(self, clip_BCTHW: NDArray) -> NDArray[np.float32]:
        began, logits_BK = time.monotonic(), self._fast(clip_BCTHW)
        while time.monotonic() - began < self._seconds:
            logits_BK = self._fast(clip_BCTHW)
        return logits_BK


def row(kind: str, outcome: Outcome) -> list[str]:
    p50, p95 = np.percentile(outcome.latencies, (50, 95))
    early = outcome.memory_mb[int(SETTLED * len(outcome.memory_mb))]
    return [
        kind,
        f"{outcome.run_seconds:.3f}",
        f"{p50:.3f}",
        f"{p95:.3f}",
        f"{max(outcome.latencies):.3f}",
        f"{max(outcome.behind, default=0.0):.2f}",
        f"{outcome.frames}",
        f"{outcome.dropped}",
        f"{outcome.reconnects}",
        f"{outcome.before}/{outcome.after}",
        f"{early:.0f}/{outcome.memory_mb[-1]:.0f}",
    ]


class Server:
    """The server's process.

    Attributes:
        sent: frames, on the latest connection.
        was_killed: in the middle.
    """

    def __init__(self, kind: str, videos: Path) -> None:
        self.kind, self.videos, self.was_killed = kind, videos, False
        self._context = multiprocessing.get_context("spawn")
        self.sent = self._context.Value("q", 0)
        self._port = self._context.Value("i", 0)
        self._start()
        address = f"127.0.0.1:{self._port.value}"
        self.url = f"rtsp://{address}/camera" if kind == "rtsp" else f"http://{address}/{kind}"

    def restart(self) -> None:
        self.was_killed = True
        self.end()
        time.sleep(AWAY_SECONDS)
        self._start()

    def end(self) -> None:
        self._process.kill()
        self._process.join()

    def _start(self) -> None:
        ready = self._context.Event()
        self._process = self._context.Process(
            target=serve, args=(self.kind, self.videos, self._port, self.sent, ready), daemon=True
        )
        self._process.start()
        ready.wait()


def serve(kind: str, videos: Path, port: Any, sent: Any, ready: Any) -> None:
    """What the server's process does."""
    sys.path.insert(0, str(ROOT / "tests"))
    from helpers.live_server import LiveServer  # type: ignore[import-not-found]
    from helpers.rtsp_server import RtspServer  # type: ignore[import-not-found]

    frames = load_frames(videos)
    kind_of = RtspServer if kind == "rtsp" else LiveServer
    server = kind_of(picture=lambda number: frames[number % len(frames)], port=port.value, fps=FPS)
    port.value = server.server_port
    ready.set()
    while True:
        sent.value = server.sent[-1] if server.sent else 0
        time.sleep(0.005)


def load_frames(videos: Path) -> list[Frame]:
    """Frames of clips, all 320x240, one clip after the other."""
    size_HW, frames = (SHORT_SIDE, SHORT_SIDE * 4 // 3), list[Frame]()
    for path in sorted(path for path in videos.rglob("*") if path.suffix in (".avi", ".mp4")):
        clip = islice(VideoFile(path, FrameFormat(short_side=SHORT_SIDE)), MOST_FRAMES - len(frames))
        frames += [np.ascontiguousarray(cv2.resize(frame_HWC, size_HW[::-1])) for frame_HWC in clip]
        if len(frames) == MOST_FRAMES:
            break
    return frames


if __name__ == "__main__":
    main()
