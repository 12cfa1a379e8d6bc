"""Actions in time: from the probabilities of windows to segments with a start, an end and a class."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True, eq=False)
class Window:
    """The part of a video that one clip covers.

    Attributes:
        first_frame, end_frame: numbers of frames of the video, `end_frame` exclusive.
        start_seconds, end_seconds: the times of these frames; 0.0 if the input has no times.
        probabilities: float64 `[K]`.
    """

    first_frame: int
    end_frame: int
    start_seconds: float
    end_seconds: float
    probabilities: NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class SegmentSettings:
    """How windows become segments.

    Attributes:
        threshold: a segment whose class is less probable than this is none of the classes; 0 to 1.
        smoothing_seconds: standard deviation of the Gaussian that smooths probabilities over time; 0 for none.
        min_seconds: a shorter segment goes to its neighbours.
        merge_seconds: a pause of at most this length between two segments of one class becomes part of them.
    """

    threshold: float = 0.0
    smoothing_seconds: float = 0.0
    min_seconds: float = 0.0
    merge_seconds: float = 0.0


DEFAULT_SEGMENTS = SegmentSettings()


@dataclass(frozen=True, kw_only=True)
class Segment:
    """A stretch of video with one action.

    Attributes:
        label: the class; None for none of them.
        probability: the mean over the stretch, of the class; of the likeliest class if `label` is None.
    """

    start_seconds: float
    end_seconds: float
    label: str | None
    probability: float


def find_segments(
    windows: Sequence[Window], class_names: Sequence[str], settings: SegmentSettings
) -> tuple[Segment, ...]:
    """Segments in order, without gaps and overlaps, over all of the video."""
    segments: list[Segment] = []
    for window in windows:
        best = int(window.probabilities.argmax())
        probability = float(window.probabilities[best])
        label = class_names[best] if probability >= settings.threshold else None
        start = segments[-1].end_seconds if segments else window.start_seconds
        segments.append(
            Segment(start_seconds=start, end_seconds=window.end_seconds, label=label, probability=probability)
        )
    return tuple(segments)
