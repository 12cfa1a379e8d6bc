"""A model's labels for a whole video, and for each window of it."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True, eq=False)
class Window:
    """The part of a video that one clip covers.

    Attributes:
        first_frame, end_frame: frame numbers, `end_frame` exclusive.
        start_seconds, end_seconds: the times of these frames.
        probabilities: float64 `[K]`.
    """

    first_frame: int
    end_frame: int
    start_seconds: float
    end_seconds: float
    probabilities: NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Prediction:
    """The label of a video.

    Attributes:
        input: the video file.
        frames: the number of decoded frames.
        fps: frames per second by the header; 0.0 if it does not say, in which case all times are 0.0 too.
        duration_seconds: frames / fps.
        windows: in the order of the video; they cover all of it.
        probabilities: float64 `[K]`, the mean over the windows.
        class_names: `K` labels.
    """

    input: str
    frames: int
    fps: float
    duration_seconds: float
    windows: tuple[Window, ...]
    probabilities: NDArray[np.float64]
    class_names: tuple[str, ...]

    @property
    def label(self) -> str:
        return self.class_names[int(self.probabilities.argmax())]

    def top(self, k: int) -> list[tuple[str, float]]:
        """The `k` likeliest labels with their probabilities; all labels if there are fewer."""
        best = np.argsort(-self.probabilities, kind="stable")[:k]
        return [(self.class_names[index], float(self.probabilities[index])) for index in best]

    def to_dict(self, top_k: int) -> dict[str, Any]:
        """The entry in the JSON file, in which a window's label is its likeliest."""
        return {
            "source": self.input,
            "label": self.label,
            "top": [{"label": label, "probability": round(value, 6)} for label, value in self.top(top_k)],
            "frames": self.frames,
            "fps": round(self.fps, 3),
            "duration_seconds": round(self.duration_seconds, 3),
            "windows": [
                {
                    "start_seconds": round(window.start_seconds, 3),
                    "end_seconds": round(window.end_seconds, 3),
                    "label": self.class_names[int(window.probabilities.argmax())],
                    "probability": round(float(window.probabilities.max()), 6),
                }
                for window in self.windows
            ],
        }
