"""Heat over a whole video: a map for each window, kept in a file, and their mean at the time of each frame."""

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from tempfile import TemporaryFile
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from action_recognition.contract import ClipContract
from action_recognition.explain.cam import scaled
from action_recognition.inference.inputs.open import Input, open_input
from action_recognition.inference.predictor import Predictor
from action_recognition.video.frames import FrameFormat
from action_recognition.video.windows import CutWindow, WindowCutter

Map = NDArray[np.float32]


class Found(NamedTuple):
    """What is known of one clip: the class that its heat is for, how probable that is, and `heat_THW`, 0 or more."""

    label: str
    probability: float
    heat_THW: Map


@dataclass(frozen=True, kw_only=True)
class HeatWindow:
    """One window: when it starts, and where its map is in the file."""

    first_frame: int
    start_seconds: float
    label: str
    probability: float
    offset: int
    shape_THW: tuple[int, ...]


class Heat:
    """The heat of one input. Maps are in a temporary file, so that memory does not grow with a video's length.

    Attributes:
        frames, fps: of the input, fps 0.0 if it has no times.
        largest: heat of any window; `at` divides by it, so that the parts of a video can be compared.
    """

    def __init__(self, contract: ClipContract) -> None:
        self.contract = contract
        self.windows: list[HeatWindow] = []
        self.frames, self.fps, self.largest = 0, 0.0, 0.0
        self._places: list[float] = []  # on the grid of `contract.fps`
        self._numbers: list[float] = []  # of first frames
        self._file: Any = TemporaryFile()  # noqa: SIM115 - as long as this object
        self._map = lru_cache(maxsize=16)(self._read)

    def add(self, cut: CutWindow, found: Found) -> None:
        """Add the windows of a video in order."""
        heat_THW = np.ascontiguousarray(found.heat_THW, dtype=np.float32)
        self.largest = max(self.largest, float(heat_THW.max(initial=0.0)))
        window = HeatWindow(
            first_frame=cut.first_frame,
            start_seconds=cut.start_seconds,
            label=found.label,
            probability=found.probability,
            offset=self._file.seek(0, 2),
            shape_THW=heat_THW.shape,
        )
        self._file.write(heat_THW.tobytes())
        self.windows.append(window)
        self._places.append(cut.start_seconds * self.contract.fps)
        self._numbers.append(float(cut.first_frame))

    def at(self, number: int, seconds: float | None) -> tuple[Map, HeatWindow]:
        """The heat `[H, W]` of a frame, 0-1 where 1 is the largest of the input, and the window that is nearest.

        The mean over the windows that the frame is in, each interpolated in time.

        Args:
            number: of the frame, from 0.
            seconds: when it is shown; None if the input has no times.
        """
        contract = self.contract
        timed = seconds is not None and contract.fps > 0
        place = seconds * contract.fps if seconds is not None and timed else float(number)
        starts = self._places if timed else self._numbers
        span = contract.frames * contract.stride
        last = max(1, bisect_right(starts, place + 1e-6))
        first = last - 1
        while first and starts[first - 1] + span > place + 1e-6:
            first -= 1
        near = [n for n in range(first, last) if starts[n] + span > place + 1e-6] or [last - 1]
        maps = [self._in_time(self._map(n), (place - starts[n]) / contract.stride) for n in near]
        nearest = min(near, key=lambda n: abs(starts[n] + span / 2 - place))
        return scaled(np.mean(maps, axis=0), self.largest), self.windows[nearest]

    def _in_time(self, heat_THW: Map, index: float) -> Map:
        """The map at clip frame `index`, between two of its own steps."""
        steps = len(heat_THW)
        at = min(max((index + 0.5) * steps / self.contract.frames - 0.5, 0.0), steps - 1.0)
        before = int(at)
        after, share = min(before + 1, steps - 1), np.float32(at - before)
        return heat_THW[before] * (1 - share) + heat_THW[after] * share

    def _read(self, number: int) -> Map:
        window = self.windows[number]
        self._file.seek(window.offset)
        count = int(np.prod(window.shape_THW))
        return np.frombuffer(self._file.read(4 * count), dtype=np.float32).reshape(window.shape_THW)


def measure(predictor: Predictor, given: Input, find: Callable[[CutWindow], Found]) -> Heat:
    """The heat of all windows of an input, cut as the predictor cuts them.

    Raises:
        VideoError: if it cannot be read.
    """
    contract = predictor.backend.contract
    heat = Heat(contract)
    with open_input(given, FrameFormat.of(contract), predictor.inputs) as opened:
        cutter = WindowCutter(contract, overlap=predictor.overlap, origin=opened.origin)
        for cut in cutter.cut(predictor.squares(opened)):
            heat.add(cut, find(cut))
    heat.frames, heat.fps = cutter.sampler.frames, cutter.sampler.fps
    return heat
