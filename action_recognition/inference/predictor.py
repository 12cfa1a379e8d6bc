"""Labels for videos of any length: windows over the whole video, probabilities averaged."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, closing
from dataclasses import replace
from functools import partial
from itertools import islice
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from action_recognition.errors import UserError, VideoError
from action_recognition.inference.backends import Backend
from action_recognition.inference.inputs.base import DEFAULT_INPUTS, FrameInput, InputSettings
from action_recognition.inference.inputs.live import LiveInput
from action_recognition.inference.inputs.open import Input, is_repeatable, open_input
from action_recognition.inference.live.live_windows import LiveWindow, live_windows
from action_recognition.inference.prediction import Prediction
from action_recognition.inference.temporal.segments import SegmentSettings, Window
from action_recognition.utils.ahead import made_ahead
from action_recognition.utils.finite import check_logits
from action_recognition.utils.probabilities import softmax
from action_recognition.video.frames import Frame, FrameFormat, center_crop
from action_recognition.video.timed_frames import TimedFrame
from action_recognition.video.windows import CutWindow, WindowCutter

Progress = Callable[[int, int], None]
PROGRESS_EVERY = 16  # frames
# On a CPU a batch takes as long as its clips one by one, and the next frames are decoded meanwhile.
CPU_BATCH, GPU_BATCH = 1, 8
WINDOWS_AHEAD = 6


class _Ended(NamedTuple):
    """An input that was read to its end; `given` is None if it cannot be read again."""

    cutter: WindowCutter
    given: Input | None


class Predictor:
    """A backend applied to whole videos.

    Decoding runs in a thread, the model in the caller's: both release the interpreter lock. One window's frames and a
    few batches of windows are held, however long a video is.

    Args:
        batch_size: windows per forward pass; None: `CPU_BATCH` or `GPU_BATCH`.
        overlap: fraction of a window that the next one repeats, from 0 to below 1.
        segments: how actions in time are made of the windows; None for each moment's likeliest class, and the model's
            own threshold.
        inputs: how inputs are read.
    """

    def __init__(
        self,
        backend: Backend,
        *,
        batch_size: int | None = None,
        overlap: float = 0.0,
        segments: SegmentSettings | None = None,
        inputs: InputSettings = DEFAULT_INPUTS,
    ) -> None:
        self.backend = backend
        self.batch_size = batch_size or (CPU_BATCH if backend.device == "cpu" else GPU_BATCH)
        self.overlap = overlap
        self.segments = segments or SegmentSettings(threshold=backend.contract.threshold)
        self.inputs = inputs

    def predict(self, given: Input, *, fps: float | None = None, progress: Progress | None = None) -> Prediction:
        """Label one input.

        Args:
            given: a path, URL, array, tensor, iterator of frames, or another of what `open_input` takes.
            fps: frames per second of an input without times, such as an array; by default that of `inputs`.
            progress: called with (frames done, frames by the header, which may be wrong or 0), in another thread.

        Raises:
            VideoError: if the input cannot be decoded, or is too short for the contract.
            NumericsError: if the model's outputs are infinite or NaN.
        """
        found = next(self.predict_each((given,), fps=fps, progress=progress))
        if isinstance(found, Exception):
            raise found
        return found

    def predict_each(
        self, inputs: Iterable[Input], *, fps: float | None = None, progress: Progress | None = None
    ) -> Iterator[Prediction | UserError | MemoryError]:
        """Label inputs one after the other; the next one is decoded while the model is at the windows of this one.

        Args:
            inputs, fps, progress: see `predict`.

        Yields:
            In the order of the inputs, a prediction or the error that `predict` would raise.
        """
        windows: list[Window] = []
        batch: list[CutWindow] = []
        failed: UserError | None = None
        pieces = self._pieces(inputs, fps, progress)
        for piece in made_ahead(pieces, most=self.batch_size + WINDOWS_AHEAD):
            if isinstance(piece, CutWindow):
                batch.append(piece)
                if len(batch) < self.batch_size:
                    continue
            elif isinstance(piece, Exception):
                failed = failed or piece  # type: ignore[assignment]
            if failed is None:
                try:
                    windows += self._labelled(batch)
                except UserError as error:
                    failed = error
            batch.clear()
            if not isinstance(piece, CutWindow):
                yield failed or self._prediction(piece, windows)  # type: ignore[arg-type]
                windows, failed = [], None

    def stream(self, given: Input, *, fps: float | None = None) -> Iterator[Window]:
        """The windows of an input as they come, in order; takes and raises what `predict` does."""
        with self._open(given, fps) as opened:
            if isinstance(opened, LiveInput):
                yield from (answer.window for answer in self.live(opened))
                return
            windows = self._cutter(opened).cut(self.squares(opened))
            # Closed before the input is: the thread may be reading it.
            with closing(made_ahead(windows, most=self.batch_size + WINDOWS_AHEAD)) as cuts:
                while batch := list(islice(cuts, self.batch_size)):
                    yield from self._labelled(batch)

    def live(self, opened: LiveInput) -> Iterator[LiveWindow]:
        """The windows of a camera or a stream, each answered as soon as it is whole; see `live_windows`."""
        return live_windows(opened, self.backend.contract, partial(self._classify, opened.origin), overlap=self.overlap)

    def _open(self, given: Input, fps: float | None) -> AbstractContextManager[FrameInput]:
        settings = self.inputs if fps is None else replace(self.inputs, fps=fps)
        return open_input(given, FrameFormat.of(self.backend.contract), settings)

    def _cutter(self, opened: FrameInput) -> WindowCutter:
        return WindowCutter(self.backend.contract, overlap=self.overlap, origin=opened.origin)

    def _pieces(
        self, inputs: Iterable[Input], fps: float | None, progress: Progress | None
    ) -> Iterator[CutWindow | _Ended | UserError | MemoryError]:
        """Of each input its windows, and then that it has ended, or what went wrong."""
        for given in inputs:
            try:
                with self._open(given, fps) as opened:
                    if isinstance(opened, LiveInput) and opened.settings.max_seconds is None:
                        endless = "goes on without end; label it alone, or until max_seconds"
                        raise VideoError(f"{opened.origin}: {endless}")
                    cutter = self._cutter(opened)
                    yield from cutter.cut(self.squares(opened, progress))
                    again = given if is_repeatable(given) and not opened.is_live else None
                yield _Ended(cutter, again)
            except (UserError, MemoryError) as error:
                yield error

    def _labelled(self, cuts: Sequence[CutWindow]) -> list[Window]:
        """The windows of one batch."""
        if not cuts:
            return []
        probabilities_BK = self._classify(cuts[0].origin, np.stack([cut.clip_CTHW for cut in cuts]))
        return [
            Window(
                first_frame=cut.first_frame,
                end_frame=cut.end_frame,
                start_seconds=cut.start_seconds,
                end_seconds=cut.end_seconds,
                probabilities=probabilities_K,
                class_names=self.backend.contract.class_names,
            )
            for cut, probabilities_K in zip(cuts, probabilities_BK, strict=True)
        ]

    def _classify(self, origin: str, clip_BCTHW: Frame) -> NDArray[np.float64]:
        """Probabilities `[B, K]`."""
        logits_BK = self.backend(clip_BCTHW)
        check_logits(logits_BK, origin=origin)
        return softmax(logits_BK, self.backend.contract.temperature)

    def _prediction(self, ended: _Ended, windows: Sequence[Window]) -> Prediction:
        cutter = ended.cutter
        return Prediction(
            input=cutter.origin,
            frames=cutter.sampler.frames,
            fps=cutter.sampler.fps,
            duration_seconds=cutter.sampler.end_seconds,
            windows=tuple(windows),
            probabilities=np.mean([window.probabilities for window in windows], axis=0),
            class_names=self.backend.contract.class_names,
            segment_settings=self.segments,
            given=ended.given,
        )

    def squares(self, opened: FrameInput, progress: Progress | None = None) -> Iterator[TimedFrame]:
        """The frames of an input as the centre squares that the model sees, once they are read."""
        size = self.backend.contract.size
        total = max(0, opened.metadata.frames)
        for number, frame in enumerate(opened.timed(), start=1):
            # A copy: a view would keep the whole frame alive.
            yield TimedFrame(frame.seconds, lambda read=frame.read: center_crop(read(), size).copy())  # type: ignore[misc]
            if progress and number % PROGRESS_EVERY == 0:
                progress(number, max(number, total))
