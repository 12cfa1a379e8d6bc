"""A small RTSP server on loopback: one camera, MPEG-TS in RTP over the same TCP connection (RFC 2326, RFC 2250)."""

import socketserver
import struct
import threading
from contextlib import suppress
from typing import Any

from helpers.live_server import LiveServer, send_transport_stream

SDP = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=camera\r\nt=0 0\r\nm=video 0 RTP/AVP 33\r\na=control:track0\r\n"
TS_PACKET, PACKETS = 188, 7


class RtspServer(LiveServer):
    """`url` is that of the camera; `asked` holds the methods and addresses of all requests."""

    def __init__(self, **options: Any) -> None:
        self.asked: list[str] = []
        super().__init__(**options)
        self.RequestHandlerClass = _Session
        self.url = f"rtsp://127.0.0.1:{self.server_port}/camera"


class _Session(socketserver.StreamRequestHandler):
    server: RtspServer

    def handle(self) -> None:
        self.server.clients.append(self.connection)
        with suppress(OSError):
            while line := self.rfile.readline().decode().strip():
                self.server.asked.append(line)
                headers = {}
                while header := self.rfile.readline().decode().strip():
                    name, _, value = header.partition(":")
                    headers[name.lower()] = value.strip()
                self._answer(line.split()[0], headers)

    def _answer(self, method: str, headers: dict[str, str]) -> None:
        body, more = "", ""
        if method == "DESCRIBE":
            body, more = SDP, f"Content-Type: application/sdp\r\nContent-Length: {len(SDP)}\r\n"
        elif method == "SETUP":
            more = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n"
        elif method == "OPTIONS":
            more = "Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN\r\n"
        self.wfile.write(f"RTSP/1.0 200 OK\r\nCSeq: {headers['cseq']}\r\nSession: 1\r\n{more}\r\n{body}".encode())
        if method == "PLAY":
            threading.Thread(target=self._send, daemon=True).start()

    def _send(self) -> None:
        with suppress(OSError):
            send_transport_stream(_Packets(self.wfile), self.server.frames())


class _Packets:
    """Sends what is written as RTP packets."""

    def __init__(self, file: Any) -> None:
        self._file, self._number, self._rest = file, 0, b""

    def write(self, content: bytes) -> int:
        self._rest += bytes(content)
        while len(self._rest) >= TS_PACKET:
            size = min(len(self._rest) // TS_PACKET, PACKETS) * TS_PACKET
            payload, self._rest = self._rest[:size], self._rest[size:]
            head = struct.pack(">BBHII", 0x80, 33, self._number & 0xFFFF, self._number * 3000 & 0xFFFFFFFF, 1)
            self._file.write(struct.pack(">BBH", 0x24, 0, len(head) + size) + head + payload)
            self._number += 1
        return len(content)
