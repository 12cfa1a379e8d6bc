"""A real HTTP server on loopback that misbehaves as mirrors do, or serves a data set as the hub does."""

import hashlib
import json
import random
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

DATA = random.Random(0).randbytes(600_000)


@dataclass
class Route:
    """What the server answers at one path. `drops`: the bytes after which it hangs up, one entry per request."""

    body: bytes = b""
    statuses: list[int] = field(default_factory=list)
    drops: list[int] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    honours_range: bool = True
    honours_if_range: bool = True
    says_length: bool = True
    pause_seconds: float = 0.0


class Seen(NamedTuple):
    path: str
    range: str | None
    if_range: str | None


class Server(ThreadingHTTPServer):
    daemon_threads = True
    # Tests kill clients on purpose.
    handle_error = lambda self, request, address: None  # noqa: E731

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.routes: dict[str, Route] = {}
        self.seen: list[Seen] = []
        self.url = f"http://127.0.0.1:{self.server_port}"

    def add(self, path: str, body: bytes = DATA, **options: object) -> str:
        self.routes[path] = Route(body, **options)  # type: ignore[arg-type]
        return self.url + path


class Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        wanted, if_range = self.headers["Range"], self.headers["If-Range"]
        self.server.seen.append(Seen(self.path, wanted, if_range))
        # First with the query, in which the pages of a listing differ, then the path alone.
        route = self.server.routes.get(self.path) or self.server.routes.get(unquote(urlsplit(self.path).path))
        if route is None or route.statuses:
            self._refuse(route.statuses.pop(0) if route else 404, route.headers if route else {})
            return
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and route.honours_range else 0
        if route.honours_if_range and if_range and if_range not in route.headers.values():
            start = 0
        if start > len(route.body):
            self._refuse(416)
            return
        self._send(route, start, partial=bool(wanted and route.honours_range and (start or not if_range)))

    def do_HEAD(self) -> None:
        self.do_GET()

    def _refuse(self, status: int, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _send(self, route: Route, start: int, *, partial: bool) -> None:
        body = route.body[start:]
        self.send_response(206 if partial else 200)
        if route.says_length:
            self.send_header("Content-Length", str(len(body)))
        if partial:
            self.send_header("Content-Range", f"bytes {start}-{len(route.body) - 1}/{len(route.body)}")
        for name, value in route.headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        drop = route.drops.pop(0) if route.drops else len(body)
        for at in range(0, min(drop, len(body)), 16384):
            self.wfile.write(body[at : min(at + 16384, drop)])
            if route.pause_seconds:
                time.sleep(route.pause_seconds)
        if drop < len(body) or not route.says_length:
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def running_server() -> Iterator[Server]:
    with Server() as running:
        thread = Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def add_tree(
    server: Server, repo: str, tree: dict[str, bytes], *, page_size: int = 2, entry: dict | None = None
) -> str:
    """Serve the hub's listing, in pages, and its files, the avi as large files; `entry` is added to the listing."""
    entries: list[dict] = [{"type": "directory", "path": "videos", "size": 0, "oid": "0" * 40}]
    for path, body in tree.items():
        git = hashlib.sha1(b"blob %d\0" % len(body) + body).hexdigest()
        lfs = {"oid": hashlib.sha256(body).hexdigest(), "size": len(body), "pointerSize": 134}
        entries.append(
            {"type": "file", "path": path, "size": len(body), "oid": git} | ({"lfs": lfs} if ".avi" in path else {})
        )
        server.add(f"/datasets/{repo}/resolve/main/{path}", body, headers={"ETag": f'"{git}"'})
    entries += [entry] if entry else []
    first = f"/api/datasets/{repo}/tree/main?recursive=true"
    for at in range(0, len(entries), page_size):
        here = first if at == 0 else f"{first}&cursor={at}"
        more = {"Link": f'<{server.url}{first}&cursor={at + page_size}>; rel="next"'}
        body = json.dumps(entries[at : at + page_size]).encode()
        server.add(here, body, headers=more if at + page_size < len(entries) else {})
    return server.url
