"""Pages shown and videos played by a real browser: headless Chromium, asked over its DevTools protocol."""

import asyncio
import base64
import contextlib
import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp

NAMES = ("chromium", "chromium-browser", "google-chrome")
SECONDS = 60.0  # that it may take to start
IS_LOADED = 'document.readyState === "complete" && location.protocol === "file:"'
IS_THERE = 'document.querySelector("video") !== null'
# Plays the video until it is `seconds` far, and says what was decoded until then. A promise that does not end would be
# a test that does not.
PLAY = """
new Promise(done => {
  const video = document.querySelector("video");
  const tell = error => done(JSON.stringify({
    error, seconds: video.currentTime, length: video.duration, width: video.videoWidth, height: video.videoHeight,
    frames: video.getVideoPlaybackQuality().totalVideoFrames,
    sound_bytes: video.webkitAudioDecodedByteCount, picture_bytes: video.webkitVideoDecodedByteCount,
  }));
  video.onerror = () => tell(video.error.message || "error " + video.error.code);
  setTimeout(() => tell("took too long"), 40000);
  const look = () => video.currentTime >= SECONDS || video.ended ? (video.pause(), tell("")) : setTimeout(look, 50);
  video.play().then(look, error => tell(String(error)));
})
"""


def chromium() -> str | None:
    """The browser's program; None where there is none."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


def play(path: Path, *, seconds: float, picture: Path | None = None) -> dict[str, Any]:
    """Open a video in a page, play it for some seconds of its time, and take a picture of the page.

    Returns:
        `error` (empty if it played), `seconds` (currentTime), `length`, `width`, `height`, `frames` (shown or dropped),
        `picture_bytes` and `sound_bytes` (decoded; 0 without a sound track).
    """
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        page = Path(folder, "page.html")
        page.write_text(f'<body style="margin:0"><video src="{path.resolve().as_uri()}" controls></video></body>')
        with _browser(page, folder) as port_file:
            return asyncio.run(_play(port_file, seconds, picture))


def show(
    page: Path,
    expression: str,
    *,
    width: int = 1440,
    height: int = 900,
    dark: bool = False,
    picture: Path | None = None,
) -> Any:
    """Open a page of the disk in a window of a width, ask for the value of an expression, and take a picture of it all.

    Args:
        expression: JavaScript whose value can be written as JSON.
        dark: whether the reader prefers a dark page.
    """
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, _browser(page, folder) as port_file:
        return asyncio.run(_show(port_file, expression, (width, height), dark, picture))


@contextlib.contextmanager
def _browser(page: Path, folder: str) -> Iterator[Path]:
    """A browser at a page; yields the file in which it names its port."""
    words = [str(chromium()), "--headless=new", "--no-sandbox", "--disable-gpu", "--mute-audio", "--no-first-run"]
    words += ["--autoplay-policy=no-user-gesture-required", "--disable-dev-shm-usage", "--window-size=1280,800"]
    words += ["--remote-debugging-port=0", f"--user-data-dir={folder}/profile", page.resolve().as_uri()]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield Path(folder, "profile", "DevToolsActivePort")
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(20)
        process.kill()
        process.wait()


async def _show(port_file: Path, expression: str, size: tuple[int, int], dark: bool, picture: Path | None) -> Any:
    async with _connected(port_file) as socket:
        metrics = {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": size[0] < 600}
        await _ask(socket, "Emulation.setDeviceMetricsOverride", **metrics)
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        await _ask(socket, "Emulation.setEmulatedMedia", features=scheme)
        while not (await _ask(socket, "Runtime.evaluate", expression=IS_LOADED))["result"].get("value"):
            await asyncio.sleep(0.1)
        told = await _ask(socket, "Runtime.evaluate", expression=f"JSON.stringify({expression})")
        if picture is not None:
            shot = await _ask(socket, "Page.captureScreenshot", format="png", captureBeyondViewport=True)
            picture.write_bytes(base64.b64decode(shot["data"]))
        if "value" not in told["result"]:
            raise RuntimeError(f"the page could not be asked: {told}")
        return json.loads(told["result"]["value"])


async def _play(port_file: Path, seconds: float, picture: Path | None) -> dict[str, Any]:
    async with _connected(port_file) as socket:
        while not (await _ask(socket, "Runtime.evaluate", expression=IS_THERE))["result"].get("value"):
            await asyncio.sleep(0.1)
        code = PLAY.replace("SECONDS", str(seconds))
        told = await _ask(socket, "Runtime.evaluate", expression=code, awaitPromise=True)
        if picture is not None:
            shot = await _ask(socket, "Page.captureScreenshot", format="png")
            picture.write_bytes(base64.b64decode(shot["data"]))
        if "value" not in told["result"]:
            raise RuntimeError(f"the page could not be asked: {told}")
        found: dict[str, Any] = json.loads(told["result"]["value"])
        return found


@contextlib.asynccontextmanager
async def _connected(port_file: Path) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    port = await _port(port_file)
    async with aiohttp.ClientSession() as session:
        async with session.get(f"http://127.0.0.1:{port}/json/list") as answer:
            address = next(one["webSocketDebuggerUrl"] for one in await answer.json() if one["type"] == "page")
        async with session.ws_connect(address, max_msg_size=0) as socket:
            yield socket


async def _port(port_file: Path) -> int:
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        with contextlib.suppress(OSError, ValueError, IndexError):
            return int(port_file.read_text().splitlines()[0])
        await asyncio.sleep(0.1)
    raise TimeoutError("Chromium did not start")


async def _ask(socket: aiohttp.ClientWebSocketResponse, method: str, **values: Any) -> dict[str, Any]:
    await socket.send_json({"id": 1, "method": method, "params": values})
    while True:
        answer = await socket.receive_json(timeout=SECONDS)
        if answer.get("id") == 1:
            found: dict[str, Any] = answer["result"]
            return found
