"""Streams in real time from loopback: MPEG-TS and MJPEG over HTTP. They can be ended at once."""

import itertools
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import av
import cv2
import numpy as np

FPS = 30
SIZE_HW = (48, 64)

Picture = Callable[[int], np.ndarray]


def grey(number: int) -> np.ndarray:
    """Brighter with each frame; dark again after 50."""
    return np.full((*SIZE_HW, 3), 5 * (number % 50), np.uint8)


class LiveServer(ThreadingHTTPServer):
    """Sends `/ts` and `/mjpeg` until it is ended; `/stall` is a stream that stops after `stall_after` frames.

    Every connection begins with frame 0 of `picture`.
    """

    daemon_threads = True
    allow_reuse_address = True
    handle_error = lambda self, request, address: None  # noqa: E731

    def __init__(self, picture: Picture = grey, *, port: int = 0, fps: float = FPS, stall_after: int = 20) -> None:
        self.picture, self.fps, self.stall_after = picture, fps, stall_after
        self.clients: list[socket.socket] = []
        self.sent: list[int] = []  # frames, by connection
        self.is_over = threading.Event()
        super().__init__(("127.0.0.1", port), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Hang up on everybody and close the port."""
        self.is_over.set()
        self.shutdown()
        self._thread.join()
        for client in self.clients:
            with suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)
        self.server_close()

    def frames(self) -> Iterator[np.ndarray]:
        """Frames at the times at which they are due."""
        connection, start = len(self.sent), time.monotonic()
        self.sent.append(0)
        for number in itertools.count():
            if self.is_over.wait(max(0.0, start + number / self.fps - time.monotonic())):
                return
            yield self.picture(number)
            self.sent[connection] = number + 1


class _Handler(BaseHTTPRequestHandler):
    server: LiveServer

    def do_GET(self) -> None:
        self.server.clients.append(self.connection)
        kind = self.path.strip("/")
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace;boundary=next" if kind == "mjpeg" else "video/MP2T")
        self.end_headers()
        with suppress(OSError):
            if kind == "mjpeg":
                self._send_mjpeg()
            else:
                send_transport_stream(self.wfile, self._some() if kind == "stall" else self.server.frames())
                while kind == "stall" and not self.server.is_over.wait(0.05):
                    pass

    def _some(self) -> Iterator[np.ndarray]:
        return itertools.islice(self.server.frames(), self.server.stall_after)

    def _send_mjpeg(self) -> None:
        for frame_HWC in self.server.frames():
            content = cv2.imencode(".jpg", frame_HWC[..., ::-1])[1].tobytes()
            head = f"--next\r\nContent-Type: image/jpeg\r\nContent-Length: {len(content)}\r\n\r\n"
            self.wfile.write(head.encode() + content + b"\r\n")

    def log_message(self, format: str, *args: object) -> None:
        pass


def send_transport_stream(file: Any, frames: Iterator[np.ndarray], fps: int = FPS) -> None:
    """H.264 without delay in MPEG-TS, to an object with `write`."""
    target = _Unseekable(file)
    with closing(av.open(target, "w", format="mpegts", options={"flush_packets": "1"})) as output:
        stream = output.add_stream("libx264", rate=fps, options={"preset": "ultrafast", "tune": "zerolatency"})
        stream.pix_fmt, stream.codec_context.gop_size = "yuv420p", 10
        for frame_HWC in frames:
            if not stream.codec_context.is_open:
                stream.height, stream.width = frame_HWC.shape[:2]
            output.mux(stream.encode(av.VideoFrame.from_ndarray(frame_HWC, format="rgb24")))
        output.mux(stream.encode())


class _Unseekable:
    def __init__(self, file: Any) -> None:
        self.write = file.write
