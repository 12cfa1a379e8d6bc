"""Cameras and streams that go on: the newest frames, what is dropped, and lost connections.

A thread reads all the time and keeps the newest frames. Whoever takes them gets stretches: frames that follow each
other. A stretch ends where frames were dropped, where the connection was lost, and at a pause in the stream, so that no
clip is made of frames from before and after.
"""

import random
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, suppress
from functools import partial
from statistics import median_low
from types import TracebackType
from typing import NamedTuple, Protocol, Self

from action_recognition.errors import VideoError
from action_recognition.inference.inputs.base import InputSettings
from action_recognition.utils.text import printable
from action_recognition.video.frames import ClipMetadata, Frame
from action_recognition.video.timed_frames import TimedFrame

MAX_GAP_SECONDS = 1.0
MAX_GAP_FRAMES = 4  # of slower sources, such as one picture in two seconds
USUAL_INTERVALS = 9  # between frames, whose median is the usual one
MAX_WAITING_BYTES = 256_000_000
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.5, 5.0  # before a lost connection is tried again
SAY_EVERY_SECONDS = 10.0
WAKE_SECONDS = 0.25  # in which Ctrl-C and `max_seconds` are noticed
CLOSE_SECONDS = 2.0

Say = Callable[[str], None]


class Source(Protocol):
    """One connection to a camera or a stream."""

    is_live: bool

    @property
    def origin(self) -> str: ...

    @property
    def metadata(self) -> ClipMetadata: ...

    def timed(self) -> Iterator[TimedFrame]: ...

    def close(self) -> None: ...


class LiveFrame(NamedTuple):
    """A frame of a live input.

    Attributes:
        number: counts all frames that came, from 0.
        connection: counts the connections, from 0.
        seconds: when it is shown; the first frame of the input is at 0. Goes on through a lost connection by the clock.
        arrived: when it was decoded, by `time.monotonic`.
        has_gap: there was a pause before it, or it is the first one of a connection.
    """

    number: int
    connection: int
    seconds: float
    arrived: float
    has_gap: bool
    frame_HWC: Frame


class Stretch:
    """Frames that follow each other, as they come; see `LiveInput.stretches`.

    Attributes:
        first_number, start_seconds: of the first frame.
        has_ended: all of it was read.
        has_drop: it ended because the frames after it were dropped.
    """

    def __init__(self, live: "LiveInput", first: LiveFrame) -> None:
        self._live = live
        self.first_number, self.start_seconds = first.number, first.seconds
        self.has_ended = self.has_drop = False

    def __iter__(self) -> Iterator[LiveFrame]:
        before: LiveFrame | None = None
        while (frame := self._live.take(before)) is not None:
            is_next = before is None or frame.number == before.number + 1
            if before and (frame.has_gap or not is_next):
                self._live.give_back(frame)
                self.has_drop = not is_next
                break
            yield frame
            before = frame
        self.has_ended = True


class LiveInput(AbstractContextManager["LiveInput"]):
    """A camera or a stream that is read in a thread until the `with` block ends.

    Args:
        first: an open connection, which this input closes.
        connect: opens another one, or raises `VideoError`.
        settings: latency, reconnection and end.
        say: gets a line when a connection is lost or made again, and when frames are dropped; on stderr by default.

    Attributes:
        frames: the number that came so far.
        dropped: the number of them that nobody got, because the model was slower.
        reconnects: how often a lost connection was made again.
    """

    is_live = True

    def __init__(
        self, first: Source, connect: Callable[[], Source], settings: InputSettings, *, say: Say | None = None
    ) -> None:
        self.origin = first.origin
        self.metadata = first.metadata
        self.settings = settings
        self.frames = self.dropped = self.reconnects = 0
        self._first, self._connect, self._say = first, connect, say or _on_stderr
        self._waiting: deque[LiveFrame] = deque()
        self._changed = threading.Condition()
        self._stop = threading.Event()
        self._error: BaseException | None = None
        self._connection = 0  # the number of the connection that is read
        self._is_lost = self._has_ended = False
        self._lost_at: float | None = None
        self._pause = FIRST_PAUSE_SECONDS
        self._epoch: float | None = None  # when the first frame arrived
        self._seconds = 0.0  # of the latest frame
        self._said_at, self._unsaid = -float("inf"), 0
        self._started = time.monotonic()
        # Not waited for when the program ends: FFmpeg may be waiting for a network that is gone.
        self._thread = threading.Thread(target=self._read, name="live input", daemon=True)

    def __enter__(self) -> Self:
        self._started = time.monotonic()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        with self._changed:
            self._waiting.clear()
        self._thread.join(CLOSE_SECONDS)

    def stretches(self) -> Iterator[Stretch]:
        """The stretches, each to be read to its end before the next; ends with the input or at `max_seconds`.

        Raises:
            VideoError: if a lost connection could not be made again in time.
        """
        while (first := self.take(None)) is not None:
            self.give_back(first)
            yield Stretch(self, first)

    def timed(self) -> Iterator[TimedFrame]:
        """All frames that are not dropped. Between two stretches there is a pause in their times."""
        latency = self.settings.latency_seconds
        for stretch in self.stretches():
            for frame in stretch:
                self.catch_up(oldest_seconds=latency, keep_seconds=0.0)
                yield TimedFrame(frame.seconds, partial(_same, frame.frame_HWC))

    def take(self, before: LiveFrame | None) -> LiveFrame | None:
        """The oldest frame that waits, or the next to come.

        None at the end, and once the connection that `before` came from is lost.
        """
        with self._changed:
            while not self._waiting:
                if self._is_over():
                    if self._error is not None and before is None:
                        raise self._error
                    return None
                if before is not None and (self._is_lost or before.connection != self._connection):
                    return None
                self._changed.wait(WAKE_SECONDS)
            if self._is_after_end(self._waiting[0].seconds):
                return None
            return self._waiting.popleft()

    def give_back(self, frame: LiveFrame) -> None:
        """Undo `take`."""
        with self._changed:
            self._waiting.appendleft(frame)

    def catch_up(self, *, oldest_seconds: float, keep_seconds: float) -> None:
        """If a frame has waited for longer than `oldest_seconds`, drop all that have for longer than `keep_seconds`."""
        now = time.monotonic()
        with self._changed:
            if self._waiting and now - self._waiting[0].arrived > oldest_seconds:
                while self._waiting and now - self._waiting[0].arrived > keep_seconds:
                    self._drop()
        self._say_dropped()

    def _is_over(self) -> bool:
        return self._has_ended or self._is_after_end(time.monotonic() - (self._epoch or self._started))

    def _is_after_end(self, seconds: float) -> bool:
        return self.settings.max_seconds is not None and seconds >= self.settings.max_seconds

    def _drop(self) -> None:
        self._waiting.popleft()
        self.dropped += 1
        self._unsaid += 1

    def _say_dropped(self) -> None:
        now = time.monotonic()
        if self._unsaid and now - self._said_at >= SAY_EVERY_SECONDS:
            count, self._unsaid, self._said_at = self._unsaid, 0, now
            frames = "1 frame" if count == 1 else f"{count} frames"
            self._say(f"{self.origin}: {frames} dropped, because the model is slower than the input")

    def _read(self) -> None:
        """What the thread does."""
        source: Source | None = self._first
        try:
            while source is not None:
                try:
                    reason = self._read_from(source)
                finally:
                    source.close()
                source = None if self._stop.is_set() else self._again(reason)
        except BaseException as error:  # raised in the thread that takes the frames
            self._error = error
        finally:
            with self._changed:
                self._has_ended = True
                self._changed.notify_all()

    def _read_from(self, source: Source) -> str:
        """Read until the connection is lost; returns why."""
        offset: float | None = None
        connected = time.monotonic()
        intervals: deque[float] = deque(maxlen=USUAL_INTERVALS)
        try:
            for frame in source.timed():
                now = time.monotonic()
                if self._stop.is_set():
                    return ""
                if now - connected > LONGEST_PAUSE_SECONDS:
                    self._pause = FIRST_PAUSE_SECONDS
                self._epoch = self._epoch or now
                has_gap, before, seconds = offset is None, self._seconds, frame.seconds or 0.0
                if offset is None:
                    offset = max(now - self._epoch, self._seconds) - seconds
                self._seconds = offset + seconds
                if not has_gap:
                    has_gap = self._seconds - before > self._longest_pause(intervals)
                    intervals.append(self._seconds - before)
                # Resized here, so that what waits is small.
                self._add(LiveFrame(self.frames, self._connection, self._seconds, now, has_gap, frame.read()))
                self._lost_at = None
        except VideoError as error:
            return str(error).removeprefix(f"{self.origin}: ")
        return "it ended"

    def _longest_pause(self, intervals: Sequence[float]) -> float:
        """Seconds between two frames that still follow each other."""
        fps = self.metadata.fps
        usual_seconds = median_low(intervals) if intervals else 1 / fps if fps > 0 else 0.0
        return max(MAX_GAP_SECONDS, MAX_GAP_FRAMES * usual_seconds)

    def _add(self, frame: LiveFrame) -> None:
        most = MAX_WAITING_BYTES // max(1, frame.frame_HWC.nbytes)
        with self._changed:
            self._is_lost = False
            self.frames += 1
            self._waiting.append(frame)
            while len(self._waiting) > most:
                self._drop()
            self._changed.notify_all()

    def _again(self, reason: str) -> Source | None:
        """Another connection, after pauses that grow; None if the block ends, or the stream has ended for good.

        Raises:
            VideoError: if there is none within `settings.reconnect_seconds`.
        """
        patience = self.settings.reconnect_seconds
        with self._changed:
            self._is_lost = True
            self._changed.notify_all()
        if self._lost_at is None:
            self._lost_at = time.monotonic()
            if patience:
                self._say(f"{self.origin}: connection lost ({reason}); trying again for {patience:g} seconds")
        while (left := self._lost_at + patience - time.monotonic()) > 0:
            # A random part, so that many programs do not all come back at the same moment.
            if self._stop.wait(min(left, self._pause * random.uniform(0.5, 1))):
                return None
            self._pause = min(2 * self._pause, LONGEST_PAUSE_SECONDS)
            try:
                source = self._connect()
            except VideoError as error:
                reason = str(error).removeprefix(f"{self.origin}: ")
                continue
            return self._connected(source)
        tried = f"and not found again in {patience:g} seconds (predict.reconnect_seconds)" if patience else ""
        raise VideoError(f"{self.origin}: connection lost {tried}: {reason}".replace(" :", ":"))

    def _connected(self, source: Source) -> Source | None:
        if not source.is_live:  # a playlist that has got its end
            source.close()
            return None
        lost_seconds = time.monotonic() - (self._lost_at or 0.0)
        self._connection += 1
        self.reconnects += 1
        self._say(f"{self.origin}: connected again after {lost_seconds:.1f} seconds")
        return source


def _same(frame_HWC: Frame) -> Frame:
    return frame_HWC


def _on_stderr(line: str) -> None:
    with suppress(OSError, ValueError):  # nobody reads it
        print(printable(line), file=sys.stderr, flush=True)
