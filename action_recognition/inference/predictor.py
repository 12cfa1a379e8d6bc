"""Labels for video files of any length: windows over the whole video, probabilities averaged."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from action_recognition.inference.backends import Backend
from action_recognition.inference.prediction import Prediction, Window
from action_recognition.utils.finite import check_logits
from action_recognition.video.clip_files import Clip, open_clip
from action_recognition.video.frames import Frame, FrameFormat, center_crop
from action_recognition.video.windows import CutWindow, WindowCutter

Progress = Callable[[int, int], None]
PROGRESS_EVERY = 16  # frames


class Predictor:
    """A backend applied to whole videos.

    Memory does not grow with the length of a video: one window's frames and one batch of windows are held.

    Args:
        batch_size: windows per forward pass.
        overlap: share of a window that the next one repeats, from 0 to below 1.
    """

    def __init__(self, backend: Backend, *, batch_size: int, overlap: float) -> None:
        self.backend = backend
        self.batch_size = batch_size
        self.overlap = overlap

    def predict(self, path: Path, *, progress: Progress | None = None) -> Prediction:
        """Label one video, one image, or one folder of images, which are its frames.

        Args:
            progress: called with (frames done, frames by the header, which may be wrong or 0).

        Raises:
            VideoError: if the video cannot be decoded, or is too short for the contract.
            NumericsError: if the model's outputs are infinite or NaN.
        """
        with open_clip(path, FrameFormat.of(self.backend.contract)) as clip:
            return self._predict(clip, progress)

    def _predict(self, clip: Clip, progress: Progress | None) -> Prediction:
        contract, fps = self.backend.contract, clip.metadata.fps
        cutter = WindowCutter(contract, overlap=self.overlap, origin=str(clip.path))
        windows: list[Window] = []
        for batch in _batches(cutter.cut(self._frames(clip, progress)), self.batch_size):
            logits_BK = self.backend(np.stack([window.clip_CTHW for window in batch]))
            check_logits(logits_BK, origin=str(clip.path))
            windows += [_window(cut, row, fps) for cut, row in zip(batch, softmax(logits_BK), strict=True)]
        return Prediction(
            input=str(clip.path),
            frames=cutter.frames,
            fps=fps,
            duration_seconds=cutter.frames / fps if fps else 0.0,
            windows=tuple(windows),
            probabilities=np.mean([window.probabilities for window in windows], axis=0),
            class_names=contract.class_names,
        )

    def _frames(self, clip: Clip, progress: Progress | None) -> Iterator[Frame]:
        total = max(0, clip.metadata.frames)
        for number, frame_HWC in enumerate(clip, start=1):
            # A copy: a view would keep the whole frame alive.
            yield center_crop(frame_HWC, self.backend.contract.size).copy()
            if progress and number % PROGRESS_EVERY == 0:
                progress(number, max(number, total))


def softmax(logits_BK: NDArray[np.float32]) -> NDArray[np.float64]:
    """Probabilities `[B, K]`."""
    shifted = logits_BK.astype(np.float64) - logits_BK.max(axis=1, keepdims=True)
    exponentials = np.exp(shifted)
    return np.asarray(exponentials / exponentials.sum(axis=1, keepdims=True))


def _window(cut: CutWindow, probabilities: NDArray[np.float64], fps: float) -> Window:
    return Window(
        first_frame=cut.first_frame,
        end_frame=cut.end_frame,
        start_seconds=cut.first_frame / fps if fps else 0.0,
        end_seconds=cut.end_frame / fps if fps else 0.0,
        probabilities=probabilities,
    )


def _batches(windows: Iterable[CutWindow], size: int) -> Iterator[list[CutWindow]]:
    batch: list[CutWindow] = []
    for window in windows:
        batch.append(window)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
