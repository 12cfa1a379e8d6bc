"""Actions in time: from the probabilities of windows to segments with a start, an end and a class."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from action_recognition.config.rules import Seconds, Share
from action_recognition.errors import ConfigError
from action_recognition.inference.temporal.bin_labels import NONE, label_bins
from action_recognition.inference.temporal.smoothing import Floats, TimeBins, smooth_windows
from action_recognition.utils.stored_values import check_values
from action_recognition.utils.text import printable

NONE_OF_THESE = "none of these"  # what users see where no class is probable enough
NOMINAL_FPS = 25.0  # of an input without times, where seconds are given


@dataclass(frozen=True, kw_only=True, eq=False)
class Window:
    """The part of a video that one clip covers.

    Attributes:
        first_frame, end_frame: numbers of frames of the video, `end_frame` exclusive.
        start_seconds, end_seconds: the times of these frames; 0.0 if the input has no times.
        probabilities: float64 `[K]`.
        class_names: `K` labels.
    """

    first_frame: int
    end_frame: int
    start_seconds: float
    end_seconds: float
    probabilities: NDArray[np.float64]
    class_names: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """The likeliest class."""
        return self.top(1)[0][0]

    @property
    def probability(self) -> float:
        """Of the likeliest class."""
        return float(self.probabilities.max())

    def top(self, k: int = 5) -> list[tuple[str, float]]:
        """The `k` likeliest labels with their probabilities; all labels if there are fewer."""
        return likeliest(self.probabilities, self.class_names, k)

    def __repr__(self) -> str:
        times = f"{self.start_seconds:.2f}-{self.end_seconds:.2f} s, " if self.end_seconds else ""
        label = f"{printable(self.label)} {self.probability:.1%}" if self.class_names else f"{self.probability:.1%}"
        return f"<Window {times}frames {self.first_frame}-{self.end_frame - 1}: {label}>"


def most_likely(probability_K: NDArray[np.float64], k: int) -> NDArray[np.int64]:
    """The numbers of the `k` likeliest classes, in descending order; the first of equals in front."""
    return np.argsort(-probability_K, kind="stable")[:k]


def likeliest(probability_K: NDArray[np.float64], class_names: Sequence[str], k: int) -> list[tuple[str, float]]:
    """The `k` likeliest labels with their probabilities, in descending order."""
    return [(class_names[index], float(probability_K[index])) for index in most_likely(probability_K, k)]


@dataclass(frozen=True, kw_only=True)
class SegmentSettings:
    """How windows become segments, see `find_segments`. Without any, each moment has the likeliest class there.

    Attributes:
        threshold: what is less probable than this is none of the classes, be it a moment or the whole video; 0 to 1.
            That of a model is `ClipContract.threshold`.
        smoothing_seconds: standard deviation of the Gaussian that smooths probabilities over time; 0 for none.
        min_seconds: the shortest segment.
        merge_seconds: the longest pause between two segments of one class that becomes part of them.

    Raises:
        ConfigError: if a value is out of its range.
    """

    threshold: Share = 0.0
    smoothing_seconds: Seconds = 0.0
    min_seconds: Seconds = 0.0
    merge_seconds: Seconds = 0.0

    def __post_init__(self) -> None:
        check_values(type(self), vars(self), origin="segments", error=ConfigError)


DEFAULT_SEGMENTS = SegmentSettings()
# Of the `predict` command and of `load`, with the model's own threshold; chosen by `benchmarks/segments.py` on
# validation clips.
RECOMMENDED_SEGMENTS = SegmentSettings(smoothing_seconds=0.5, min_seconds=1.0)


@dataclass(frozen=True, kw_only=True)
class Segment:
    """A stretch of video with one action.

    Attributes:
        first_frame, end_frame: numbers of frames of the video, `end_frame` exclusive. They are the same where a segment
            is shorter than a frame.
        start_seconds, end_seconds: 0.0 if the input has no times.
        label: the class; None for none of them.
        probability: the mean over the stretch, of the class; of the likeliest class if `label` is None.
    """

    first_frame: int
    end_frame: int
    start_seconds: float
    end_seconds: float
    label: str | None
    probability: float

    def __repr__(self) -> str:
        times = f"{self.start_seconds:.2f}-{self.end_seconds:.2f} s, " if self.end_seconds else ""
        label = "none of the classes" if self.label is None else printable(self.label)
        return f"<Segment {times}frames {self.first_frame}-{self.end_frame - 1}: {label} {self.probability:.1%}>"


def find_segments(
    windows: Sequence[Window], class_names: Sequence[str], settings: SegmentSettings
) -> tuple[Segment, ...]:
    """Segments in order, without gaps and overlaps, over all of the video.

    1. The probabilities of windows become probabilities over time, see `smoothing.smooth_windows`.
    2. Each moment gets its likeliest class, or none where that is less probable than `threshold`, so that no segment is
       shorter than `min_seconds`; see `bin_labels.label_bins` for the order in which this is done.
    3. A stretch without an action that lasts at most `merge_seconds`, between two segments of one class, becomes part
       of them.
    4. A segment's probability is the mean over its stretch of step 1.

    An input without times counts as one of `NOMINAL_FPS` in these steps. Later windows can change earlier borders, so
    segments come when the input has ended, while `Predictor.stream` yields its windows.

    Args:
        windows: of the whole video, in order. Without any, there are no segments.
    """
    if not windows:
        return ()
    bins = probabilities_over_time(windows, smoothing_seconds=settings.smoothing_seconds)
    label_M = label_bins(bins, threshold=settings.threshold, min_seconds=settings.min_seconds)
    border_S = np.flatnonzero(np.diff(label_M, prepend=NONE - 1))
    label_S, end_S = label_M[border_S], np.append(border_S[1:], len(label_M))
    keeps_S = _merged(label_S, bins.edges[end_S] - bins.edges[border_S], settings.merge_seconds)
    border_S, label_S = border_S[keeps_S], label_S[keeps_S]
    edge_S = np.append(border_S, len(label_M))
    frame_S, second_S = _frames_and_seconds(windows, bins.edges[edge_S])
    return tuple(
        Segment(
            first_frame=int(frame_S[number]),
            end_frame=int(frame_S[number + 1]),
            start_seconds=float(second_S[number]),
            end_seconds=float(second_S[number + 1]),
            label=None if label == NONE else class_names[label],
            probability=_mean_probability(bins, slice(*edge_S[number : number + 2]), label),
        )
        for number, label in enumerate(label_S)
    )


def has_times(windows: Sequence[Window]) -> bool:
    """Whether the input that the windows are of has times."""
    return bool(windows) and windows[-1].end_seconds > 0


def probabilities_over_time(windows: Sequence[Window], *, smoothing_seconds: float) -> TimeBins:
    """What `find_segments` decides by; of an input without times, seconds are those of `NOMINAL_FPS`."""
    if has_times(windows):
        times = [(window.start_seconds, window.end_seconds) for window in windows]
    else:
        times = [(window.first_frame / NOMINAL_FPS, window.end_frame / NOMINAL_FPS) for window in windows]
    start_N, end_N = np.array(times, dtype=np.float64).T
    probability_NK = np.stack([window.probabilities for window in windows])
    return smooth_windows(start_N, end_N, probability_NK, smoothing_seconds=smoothing_seconds)


def _merged(label_S: NDArray[np.int64], seconds_S: Floats, merge_seconds: float) -> NDArray[np.bool_]:
    """`[S]`: which segments begin one after those between two of the same class have become part of them."""
    keeps_S = np.ones(len(label_S), dtype=np.bool_)
    is_pause = (label_S[1:-1] == NONE) & (label_S[:-2] == label_S[2:]) & (seconds_S[1:-1] <= merge_seconds)
    keeps_S[1:-1] &= ~is_pause
    keeps_S[2:] &= ~is_pause
    return keeps_S


def _frames_and_seconds(windows: Sequence[Window], times_S: Floats) -> tuple[NDArray[np.int64], Floats]:
    """The frame numbers of times that `probabilities_over_time` gave, and the times as a user should see them."""
    frames = np.array([(window.first_frame, window.end_frame) for window in windows], dtype=np.int64)
    if not has_times(windows):
        return np.rint(times_S * NOMINAL_FPS).astype(np.int64), np.zeros(len(times_S))
    times = np.array([(window.start_seconds, window.end_seconds) for window in windows])
    order = np.argsort(times, axis=None, kind="stable")
    frame_of = np.interp(times_S, times.ravel()[order], np.maximum.accumulate(frames.ravel()[order]))
    frame_S = np.rint(frame_of).astype(np.int64)
    frame_S[-1] = frames.max()
    return frame_S, times_S


def _mean_probability(bins: TimeBins, stretch: slice, label: int) -> float:
    """Of a class over a stretch of bins; of `NONE`, that of the likeliest class."""
    widths = np.diff(bins.edges[stretch.start : stretch.stop + 1])
    mean_K = widths @ bins.probabilities[stretch] / widths.sum()
    return float(mean_K.max() if label == NONE else mean_K[label])
