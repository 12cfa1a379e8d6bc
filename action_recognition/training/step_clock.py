"""Where the time of an epoch goes: marks between its parts, which do not slow training down."""

import time
from collections import deque
from collections.abc import Mapping, Sequence

import torch

from action_recognition.utils.progress import as_clock

# Parts of an epoch as columns of `history.csv`, `<part>_seconds`; together they are `seconds`.
PARTS = {
    "data": "waiting for data",
    "augment": "augmentation",
    "forward": "forward",
    "backward": "backward and optimizer",
    "validation": "validation",
    "other": "other",
}

# Waiting for data is worth a hint from this share of the time on, and from so many seconds on: in a short training it
# is mostly the start of the workers.
MUCH_WAITING, LONG_WAITING_SECONDS = 0.25, 20.0


class StepClock:
    """Adds up what lies between marks, by part.

    On CUDA a mark is an event in the queue of the device, so that nothing waits for anything: what is measured is the
    time on the device, and a step that was queued while the one before it still computed has not waited for data.
    Elsewhere marks are readings of the clock. (On Apple's GPUs these tell when work was queued, not when it was done.)
    """

    def __init__(self, device: torch.device) -> None:
        self._on_cuda = device.type == "cuda"
        self._seconds = dict.fromkeys(PARTS, 0.0)
        self._last = 0.0
        self._begin = 0.0
        # The first entry ends nothing: the last mark that was evaluated.
        self._events: deque[tuple[str, torch.cuda.Event]] = deque()

    def start(self) -> None:
        """Begin an epoch."""
        self._seconds = dict.fromkeys(PARTS, 0.0)
        self._begin = self._last = time.perf_counter()
        if self._on_cuda:
            self._events.clear()
            self._record("")

    def mark(self, part: str) -> None:
        """What was done since the last mark was `part`."""
        if self._on_cuda:
            self._record(part)
            while len(self._events) > 1 and self._events[1][1].query():
                self._evaluate()
        else:
            now = time.perf_counter()
            self._seconds[part] += now - self._last
            self._last = now

    def stop(self) -> dict[str, float]:
        """End the epoch and wait for the device: `<part>_seconds` of each part, and `seconds` of all."""
        self.mark("other")
        if self._on_cuda:
            self._events[-1][1].synchronize()
            while len(self._events) > 1:
                self._evaluate()
        whole = time.perf_counter() - self._begin
        # Reading the clock and the resolution of events: microseconds that belong to no part.
        self._seconds["other"] = 0.0
        self._seconds["other"] = max(0.0, whole - sum(self._seconds.values()))
        return {**{f"{part}_seconds": self._seconds[part] for part in PARTS}, "seconds": whole}

    def _record(self, part: str) -> None:
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        self._events.append((part, event))

    def _evaluate(self) -> None:
        """Take the oldest interval off the queue; both of its ends have been reached."""
        _, before = self._events.popleft()
        part, after = self._events[0]
        self._seconds[part] += before.elapsed_time(after) / 1000


def time_lines(rows: Sequence[Mapping[str, float]], *, decodes: bool) -> list[str]:
    """Where the time of a training went, as a line, and what to do if much of it was waiting for data.

    Args:
        rows: of `history.csv`; epochs of older versions did not record it.
        decodes: whether clips are decoded again in each epoch.
    """
    recorded = [row for row in rows if "data_seconds" in row]
    seconds = {part: sum(row[f"{part}_seconds"] for row in recorded) for part in PARTS}
    whole = sum(seconds.values())
    if not whole:
        return []
    shares = [f"{seconds[part] / whole:.0%} {name}".replace("%", " %") for part, name in PARTS.items()
              if seconds[part] >= 0.005 * whole]  # fmt: skip
    lines = [f"time: {as_clock(whole)} in {len(recorded)} epochs: {', '.join(shares)}"]
    if seconds["data"] >= max(MUCH_WAITING * whole, LONG_WAITING_SECONDS):
        decode_once = "decode each clip only once: python commands.py cache-data; or " if decodes else ""
        lines.append(f"data was the bottleneck: {decode_once}give more data.num_workers if cores are idle")
    return lines
