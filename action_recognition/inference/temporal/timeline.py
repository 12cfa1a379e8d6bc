"""A picture of the actions in a video: the likeliest classes' probabilities over time, and the segments below them."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from action_recognition.errors import UserError
from action_recognition.inference.temporal.colors import NONE_COLOR, label_color
from action_recognition.inference.temporal.segments import (
    NOMINAL_FPS,
    Segment,
    has_times,
    probabilities_over_time,
)
from action_recognition.inference.temporal.smoothing import TimeBins
from action_recognition.inference.video_labels import VideoLabels
from action_recognition.utils.files import replacing
from action_recognition.utils.text import printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH, ROW_HEIGHT = 11.0, 0.24  # inches
COLUMNS = 1600  # of the picture of probabilities
SHORTEST_NAME, LONGEST_NAME = 6, 28  # characters that are left of a longer name
LETTER_WIDTH = 0.08  # inches, of a label in a bar
TICK_SECONDS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 18_000, 36_000)
MOST_TICKS = 12
TEXT, FAINT = "#333333", "#bbbbbb"
DPI = 130


def draw_timeline(labels: VideoLabels, *, title: str = "", top_k: int = 8) -> "Figure":
    """The actions over time, as a matplotlib figure that belongs to no window.

    Args:
        labels: of a video, with at least one window.
        title: such as the name of the video.
        top_k: classes whose probabilities are shown: those with the longest segments, then the likeliest.
    """
    from matplotlib.figure import Figure

    timed, segments, class_names = has_times(labels.windows), labels.segments, labels.class_names
    scale = 1.0 if timed else NOMINAL_FPS  # without times, the axis is in frames
    bins = probabilities_over_time(labels.windows, smoothing_seconds=labels.segment_settings.smoothing_seconds)
    bins = TimeBins(bins.edges * scale, bins.probabilities)
    rows = _shown_classes(bins, segments, class_names, top_k)
    heights = [len(rows), 1.6]
    figure = Figure(figsize=(WIDTH, ROW_HEIGHT * sum(heights) + 0.9), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=heights)
    _draw_probabilities(upper, bins, rows, class_names)
    _draw_segments(lower, [_span(segment, timed) for segment in segments], segments, class_names)
    lower.set_xlim(bins.edges[0], bins.edges[-1])
    _draw_times(lower, float(bins.edges[-1]), timed)
    upper.set_title(_short(title, 120), loc="left", fontsize=10, color=TEXT, parse_math=False)
    return figure


def write_timeline(path: Path, labels: VideoLabels, *, title: str = "", top_k: int = 8) -> None:
    """Write `draw_timeline` in one step, in the format of the path's suffix, such as .png, .svg or .pdf.

    Raises:
        UserError: if the file cannot be written, or matplotlib knows no such format.
    """
    figure = draw_timeline(labels, title=title, top_k=top_k)
    kind = path.suffix.lower().removeprefix(".")
    if kind not in figure.canvas.get_supported_filetypes():
        raise UserError(f"{path}: a timeline is written as .png, .svg or .pdf")
    try:
        with replacing(path) as partial, warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Glyph .* missing")  # a box stands for it
            figure.savefig(partial, format=kind, dpi=DPI)
    except OSError as error:
        raise UserError(f"{path}: could not be written ({error.strerror or error})") from None


def _shown_classes(
    bins: TimeBins, segments: Sequence[Segment], class_names: Sequence[str], top_k: int
) -> NDArray[np.int64]:
    """Numbers of classes, the most important first."""
    mean_K = np.diff(bins.edges) @ bins.probabilities / (bins.edges[-1] - bins.edges[0])
    numbers = {name: number for number, name in enumerate(class_names)}
    for segment in segments:
        if segment.label is not None:
            mean_K[numbers[segment.label]] += 1 + segment.end_frame - segment.first_frame
    return np.argsort(-mean_K, kind="stable")[:top_k]


def _draw_probabilities(axes: "Axes", bins: TimeBins, rows: NDArray[np.int64], class_names: Sequence[str]) -> None:
    """One row for each class, the more of its colour the likelier it is."""
    edges = np.linspace(bins.edges[0], bins.edges[-1], min(COLUMNS, 8 * len(bins.probabilities)) + 1)
    sums = np.concatenate([[0], np.cumsum(np.diff(bins.edges))])
    picture = np.empty((len(rows), len(edges) - 1, 3))
    for row, number in enumerate(rows):
        total = np.append(0, np.cumsum(bins.probabilities[:, number] * np.diff(bins.edges)))
        share = np.diff(np.interp(edges - bins.edges[0], sums, total)) / np.diff(edges)
        picture[row] = 1 + share[:, None] * (np.array(label_color(int(number))) / 255 - 1)
    extent = (bins.edges[0], bins.edges[-1], len(rows) - 0.5, -0.5)
    axes.imshow(np.clip(picture, 0, 1), aspect="auto", interpolation="nearest", extent=extent)
    axes.set_yticks(range(len(rows)), [_short(class_names[number]) for number in rows], fontsize=8, color=TEXT)
    for label in axes.get_yticklabels():
        label.set_parse_math(False)
    axes.hlines(np.arange(len(rows) - 1) + 0.5, *extent[:2], color="white", linewidth=1.5)
    _bare(axes)


def _draw_segments(
    axes: "Axes", spans: Sequence[tuple[float, float]], segments: Sequence[Segment], class_names: Sequence[str]
) -> None:
    numbers = {name: number for number, name in enumerate(class_names)}
    colors = [NONE_COLOR if segment.label is None else label_color(numbers[segment.label]) for segment in segments]
    faces = [(*(value / 255 for value in color), 0.35 if color == NONE_COLOR else 1.0) for color in colors]
    axes.broken_barh([(start, end - start) for start, end in spans], (0.0, 1.0), facecolors=faces, linewidth=0)
    length = spans[-1][1] - spans[0][0]
    for (start, end), segment in zip(spans, segments, strict=True):
        room = int((end - start) / max(length, 1e-9) * (WIDTH - 1.5) / LETTER_WIDTH)
        if segment.label is not None and room >= min(len(segment.label), SHORTEST_NAME):
            words = _short(segment.label, room)
            axes.text((start + end) / 2, 0.5, words, parse_math=False, ha="center", va="center", fontsize=8, color=TEXT)
    axes.set_ylim(0, 1)
    axes.set_yticks([0.5], ["segments"], fontsize=8, color=TEXT)
    _bare(axes)


def _draw_times(axes: "Axes", end: float, timed: bool) -> None:
    axes.tick_params(axis="x", length=3, labelsize=8, color=FAINT, labelcolor=TEXT, labelbottom=True)
    if not timed:
        axes.set_xlabel("frame", fontsize=8, color=TEXT)
        return
    step = next((step for step in TICK_SECONDS if end <= step * MOST_TICKS), end / MOST_TICKS)
    ticks = np.arange(0, end + step / 1000, step)
    axes.set_xticks(ticks, [_clock(tick, hours=end >= 3600, tenths=step < 1) for tick in ticks])


def _bare(axes: "Axes") -> None:
    axes.tick_params(length=0, labelbottom=False)
    axes.spines[:].set_visible(False)


def _span(segment: Segment, timed: bool) -> tuple[float, float]:
    if timed:
        return segment.start_seconds, segment.end_seconds
    return segment.first_frame, segment.end_frame


def _clock(seconds: float, *, hours: bool, tenths: bool) -> str:
    minutes, rest = divmod(seconds + 1e-6, 60)
    tail = f"{rest:04.1f}" if tenths else f"{int(rest):02d}"
    if not hours:
        return f"{int(minutes)}:{tail}"
    return f"{int(minutes) // 60}:{int(minutes) % 60:02d}:{tail}"


def _short(text: str, letters: int = LONGEST_NAME) -> str:
    text = printable(text)
    return text if len(text) <= letters else f"{text[: letters - 1]}…"
