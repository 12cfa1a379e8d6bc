"""What a model says about a video: over all of it, and window by window."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True, eq=False)
class Window:
    """One clip's worth of a video.

    Attributes:
        first_frame, end_frame: frames of the video, the second one past the last.
        start_seconds, end_seconds: the same in time.
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
        input: the video file, as it was given.
        frames: how many could be decoded.
        fps: frames per second by the header; 0.0 where it does not say, and then all times are 0.0 too.
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
        """The `k` likeliest labels with their probabilities; all of them if there are fewer."""
        best = np.argsort(-self.probabilities, kind="stable")[:k]
        return [(self.class_names[index], float(self.probabilities[index])) for index in best]

    def to_dict(self, top_k: int) -> dict[str, Any]:
        """What goes into the JSON file.

        `{source, label, top: [{label, probability}], frames, fps, duration_seconds,
        windows: [{start_seconds, end_seconds, label, probability}]}`, a window's label being its likeliest.
        """
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
