"""Labels for video files of any length: windows over the whole video, probabilities averaged."""

from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from action_recognition.inference.backends import Backend
from action_recognition.inference.prediction import Prediction, Window
from action_recognition.utils.finite import check_logits
from action_recognition.video.clip_files import Clip, open_clip
from action_recognition.video.frames import Frame, FrameFormat, center_crop
from action_recognition.video.windows import WindowCutter

Progress = Callable[[int, int], None]
PROGRESS_EVERY = 16  # frames


class Predictor:
    """A backend applied to whole videos.

    It holds one window's frames and one batch of windows, however long a video is.

    Args:
        batch_size: windows per forward pass.
        overlap: fraction of a window that the next one repeats, from 0 to below 1.
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
        cuts = cutter.cut(self._frames(clip, progress))
        windows: list[Window] = []
        while batch := list(islice(cuts, self.batch_size)):
            logits_BK = self.backend(np.stack([cut.clip_CTHW for cut in batch]))
            check_logits(logits_BK, origin=str(clip.path))
            windows += [
                Window(
                    first_frame=cut.first_frame,
                    end_frame=cut.end_frame,
                    start_seconds=cut.first_frame / fps if fps else 0.0,
                    end_seconds=cut.end_frame / fps if fps else 0.0,
                    probabilities=probabilities_K,
                )
                for cut, probabilities_K in zip(batch, softmax(logits_BK), strict=True)
            ]
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
    exponentials = np.exp(logits_BK.astype(np.float64) - logits_BK.max(axis=1, keepdims=True))
    return np.asarray(exponentials / exponentials.sum(axis=1, keepdims=True))
