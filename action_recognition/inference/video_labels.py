"""What a model says about a video, as data. `prediction.Prediction` adds what can be made of it."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from action_recognition.inference.temporal.segments import (
    DEFAULT_SEGMENTS,
    NONE_OF_THESE,
    Segment,
    SegmentSettings,
    Window,
    find_segments,
    likeliest,
)
from action_recognition.utils.text import printable


@dataclass(frozen=True, kw_only=True, eq=False)
class VideoLabels:
    """The labels of a video.

    Attributes:
        input: the name of the video file, or of another input.
        frames: the number of decoded frames.
        fps: frames per second, the mean over the video; 0.0 for an input without times, in which all times are 0.0.
        duration_seconds: when the last frame ends.
        windows: in the order of the video; they cover all of it.
        probabilities: float64 `[K]`, the mean over the windows.
        class_names: `K` labels.
        segment_settings: how `segments` are made of the windows; its threshold is that of `is_none_of_these` too.
    """

    input: str
    frames: int
    fps: float
    duration_seconds: float
    windows: tuple[Window, ...]
    probabilities: NDArray[np.float64]
    class_names: tuple[str, ...]
    segment_settings: SegmentSettings = DEFAULT_SEGMENTS

    @cached_property
    def segments(self) -> tuple[Segment, ...]:
        """The actions in time, see `find_segments`."""
        return find_segments(self.windows, self.class_names, self.segment_settings)

    @property
    def label(self) -> str:
        """The likeliest class, also where it is not probable enough; see `is_none_of_these`."""
        return self.class_names[int(self.probabilities.argmax())]

    @property
    def probability(self) -> float:
        """Of `label`."""
        return float(self.probabilities.max())

    @property
    def is_none_of_these(self) -> bool:
        """Whether even the likeliest class is less probable than the threshold."""
        return self.probability < self.segment_settings.threshold

    @property
    def answer(self) -> str:
        """`walk 87.3%`, or `none of these (likeliest walk 23.0%)`."""
        likeliest_one = f"{printable(self.label)} {self.probability:.1%}"
        return f"{NONE_OF_THESE} (likeliest {likeliest_one})" if self.is_none_of_these else likeliest_one

    def top(self, k: int = 5) -> list[tuple[str, float]]:
        """The `k` likeliest labels with their probabilities; all labels if there are fewer."""
        return likeliest(self.probabilities, self.class_names, k)

    def to_dict(self, top_k: int = 5) -> dict[str, Any]:
        """The entry in the JSON file. A window's label is its likeliest, a segment's is null for none of them."""
        return {
            "source": self.input,
            "label": self.label,
            "none_of_these": self.is_none_of_these,
            "top": [{"label": label, "probability": round(value, 6)} for label, value in self.top(top_k)],
            "frames": self.frames,
            "fps": round(self.fps, 3),
            "duration_seconds": round(self.duration_seconds, 3),
            "windows": [
                {
                    "start_seconds": round(window.start_seconds, 3),
                    "end_seconds": round(window.end_seconds, 3),
                    "label": window.label,
                    "probability": round(window.probability, 6),
                }
                for window in self.windows
            ],
            "segments": [
                {
                    "start_seconds": round(segment.start_seconds, 3),
                    "end_seconds": round(segment.end_seconds, 3),
                    "first_frame": segment.first_frame,
                    "end_frame": segment.end_frame,
                    "label": segment.label,
                    "probability": round(segment.probability, 6),
                }
                for segment in self.segments
            ],
        }
