"""Live inputs: stretches without gaps, dropped frames, connections that are lost and made again, ends."""

import itertools
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress

import numpy as np
import pytest
from helpers.live_server import LiveServer

from action_recognition.errors import VideoError
from action_recognition.inference.inputs import live
from action_recognition.inference.inputs.base import InputSettings
from action_recognition.inference.inputs.live import LiveInput
from action_recognition.inference.inputs.stream import open_stream
from action_recognition.video.frames import ClipMetadata, FrameFormat
from action_recognition.video.timed_frames import TimedFrame

ORIGIN = "rtsp://camera"


class Scripted:
    """A connection that gives a grey frame for each time, then is lost, or waits until it is closed."""

    origin = ORIGIN

    def __init__(self, *seconds: float, fps: float = 10.0, waits: bool = False, is_live: bool = True) -> None:
        self.metadata = ClipMetadata(frames=0, fps=fps, width=8, height=8)
        self.is_live = is_live
        self.is_closed = False
        self._seconds, self._waits, self._closed = seconds, waits, threading.Event()

    def timed(self) -> Iterator[TimedFrame]:
        for number, seconds in enumerate(self._seconds):
            yield TimedFrame(seconds, lambda grey=number % 256: np.full((8, 8, 3), grey, np.uint8))  # type: ignore[misc]
        if self._waits:
            self._closed.wait(5)
        raise VideoError(f"{self.origin}: unplugged")

    def close(self) -> None:
        self.is_closed = True


def live_of(*connections: Scripted, said: list[str] | None = None, **settings: float) -> LiveInput:
    """A live input of these connections one after the other; behind the last, none can be made."""
    following = iter(connections[1:])

    def connect() -> Scripted:
        if (found := next(following, None)) is None:
            raise VideoError(f"{ORIGIN}: Connection refused")
        return found

    lines: list[str] = [] if said is None else said
    values = {"reconnect_seconds": 0.3} | settings
    return LiveInput(connections[0], connect, InputSettings(**values), say=lines.append)  # type: ignore[arg-type]


def greys_of(opened: LiveInput) -> list[list[int]]:
    """The frames of each stretch, until the input is lost for good."""
    found: list[list[int]] = []
    with opened, suppress(VideoError):
        for stretch in opened.stretches():
            found.append([int(frame.frame_HWC[0, 0, 0]) for frame in stretch])
    return found


def wait_for_frames(opened: LiveInput, count: int) -> None:
    while opened.frames < count:
        time.sleep(0.001)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "CLOSE_SECONDS", 0.05)
    monkeypatch.setattr(live, "FIRST_PAUSE_SECONDS", 0.02)


@pytest.mark.parametrize(
    ("seconds", "fps", "stretches"),
    [
        ((0, 0.1, 0.2, 0.3), 10.0, [[0, 1, 2, 3]]),
        ((0, 0.1, 0.9, 1.8), 10.0, [[0, 1, 2, 3]]),
        ((0, 0.1, 1.3, 1.4), 10.0, [[0, 1], [2, 3]]),
        ((0, 2.0, 4.0, 30.0), 0.5, [[0, 1, 2], [3]]),
        ((0, 2.0, 4.0, 6.0), 25.0, [[0], [1, 2, 3]]),  # of a header that is wrong
        ((0, 2.0), 0.0, [[0], [1]]),
    ],
)
def test_pause_in_the_stream_ends_a_stretch(seconds: Sequence[float], fps: float, stretches: list[list[int]]) -> None:
    assert greys_of(live_of(Scripted(*seconds, fps=fps))) == stretches


def test_lost_connection_ends_a_stretch_and_time_goes_on() -> None:
    said: list[str] = []
    first, second = Scripted(0, 0.1, 0.2), Scripted(0, 0.1)
    opened = live_of(first, second, said=said)
    found: list[list[tuple[int, int, float]]] = []
    with opened, pytest.raises(VideoError) as caught:
        found.extend([frame[:3] for frame in stretch] for stretch in opened.stretches())
    assert [[frame[:2] for frame in frames] for frames in found] == [[(0, 0), (1, 0), (2, 0)], [(3, 1), (4, 1)]]
    seconds = [frame[2] for frames in found for frame in frames]
    assert sorted(seconds) == seconds
    assert (opened.frames, opened.dropped, opened.reconnects) == (5, 0, 1)
    assert first.is_closed
    assert second.is_closed
    assert said[0] == f"{ORIGIN}: connection lost (unplugged); trying again for 0.3 seconds"
    assert said[1].startswith(f"{ORIGIN}: connected again after ")
    assert str(caught.value) == (
        f"{ORIGIN}: connection lost and not found again in 0.3 seconds (predict.reconnect_seconds): Connection refused"
    )


def test_without_reconnecting_the_loss_is_the_error() -> None:
    opened = live_of(Scripted(0, 0.1), Scripted(0), reconnect_seconds=0.0)
    with opened, pytest.raises(VideoError, match=f"^{ORIGIN}: connection lost: unplugged$"):
        assert len(list(opened.timed())) == 2


def test_playlist_that_got_its_end_is_no_loss() -> None:
    with live_of(Scripted(0, 0.1), Scripted(0, is_live=False)) as opened:
        assert len(list(opened.timed())) == 2


def test_dropping_ends_a_stretch() -> None:
    opened = live_of(Scripted(*np.arange(6) / 10))
    found: list[list[int]] = []
    drops: list[bool] = []
    with opened, suppress(VideoError):
        for stretch in opened.stretches():
            greys = []
            for frame in stretch:
                greys.append(int(frame.frame_HWC[0, 0, 0]))
                if len(greys) == 2 and not found:
                    wait_for_frames(opened, 6)
                    opened.catch_up(oldest_seconds=-1.0, keep_seconds=1000.0)  # nothing has waited for that long
                    with opened._changed:
                        opened._drop()
            found.append(greys)
            drops.append(stretch.has_drop)
    assert found == [[0, 1], [3, 4, 5]]
    assert drops == [True, False]
    assert opened.dropped == 1


def test_catching_up_drops_what_is_old_and_says_so() -> None:
    said: list[str] = []
    opened = live_of(Scripted(*np.arange(50) / 10, waits=True), said=said)
    with opened:
        wait_for_frames(opened, 50)
        opened.catch_up(oldest_seconds=1000.0, keep_seconds=0.0)
        assert opened.dropped == 0
        opened.catch_up(oldest_seconds=0.0, keep_seconds=0.0)
        assert opened.dropped == 50
    assert said == [f"{ORIGIN}: 50 frames dropped, because the model is slower than the input"]


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "MAX_WAITING_BYTES", 7 * 8 * 8 * 3)
    with live_of(Scripted(*np.arange(500) / 10, waits=True)) as opened:
        wait_for_frames(opened, 500)
        assert opened.dropped == 493


def test_end_by_max_seconds() -> None:
    with live_of(Scripted(*np.arange(500) / 10, waits=True), max_seconds=2.0) as opened:
        assert len(list(opened.timed())) == 20
    with live_of(Scripted(0, waits=True), max_seconds=0.05) as opened:  # nothing more comes
        assert len(list(opened.timed())) == 1


def test_errors_of_the_thread_are_raised() -> None:
    class Broken(Scripted):
        def timed(self) -> Iterator[TimedFrame]:
            yield TimedFrame(0.0, lambda: np.zeros((8, 8, 3), np.uint8))
            raise ZeroDivisionError

    opened = live_of(Broken())
    with opened, pytest.raises(ZeroDivisionError):
        list(opened.timed())


@pytest.mark.parametrize("kind", ["ts", "mjpeg"])
def test_stream_goes_on_after_its_server_restarts(kind: str) -> None:
    """The pictures get brighter by 5 with each frame: in a stretch, none is missing, doubled or of another run."""
    server = LiveServer()
    stretches: list[list[int]] = []
    with open_stream(f"{server.url}/{kind}", FrameFormat(), InputSettings(reconnect_seconds=30)) as opened:
        assert isinstance(opened, LiveInput)
        for stretch in opened.stretches():
            stretches.append([])
            for frame in stretch:
                stretches[-1].append(round(frame.frame_HWC.mean() / 5))
                if len(stretches[-1]) == 12:
                    if len(stretches) == 2:
                        break
                    server.end()
                    server = LiveServer(port=server.server_port)
            if len(stretches) == 2:
                break
    server.end()
    assert opened.reconnects == 1
    for greys in stretches:
        assert len(greys) >= 12
        assert all(after == before + 1 for before, after in itertools.pairwise(greys))


def test_stall_is_a_loss() -> None:
    server = LiveServer(stall_after=30)
    try:
        settings = InputSettings(reconnect_seconds=0)
        with (
            open_stream(f"{server.url}/stall", FrameFormat(), settings, stall_seconds=0.4) as opened,
            pytest.raises(VideoError, match=r"connection lost: nothing came for 0\.4 seconds"),
        ):
            list(opened.timed())
    finally:
        server.end()


def test_leaving_does_not_wait_for_the_network() -> None:
    server = LiveServer(stall_after=30)
    with open_stream(f"{server.url}/stall", FrameFormat(), stall_seconds=60.0) as opened:
        assert next(iter(opened.timed())).read().shape == (48, 64, 3)
    server.end()
