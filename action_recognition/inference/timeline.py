"""A picture of the actions in a video: the likeliest classes' probabilities over time, and the segments below them."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from action_recognition.inference.segments import (
    Segment,
    SegmentSettings,
    Window,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_timeline(
    windows: Sequence[Window],
    segments: Sequence[Segment],
    class_names: Sequence[str],
    settings: SegmentSettings,
    *,
    title: str = "",
    top_k: int = 8,
) -> "Figure":
    """The actions over time; `reports.figures.save_figure` saves it.

    Args:
        title: such as the name of the video.
        top_k: classes whose probabilities are shown, those of segments first.
    """
    raise NotImplementedError


def write_timeline(
    path: Path,
    windows: Sequence[Window],
    segments: Sequence[Segment],
    class_names: Sequence[str],
    settings: SegmentSettings,
    *,
    title: str = "",
    top_k: int = 8,
) -> None:
    """Write `draw_timeline` as the format of `path`'s suffix, such as .png or .svg."""
    from action_recognition.reports.figures import save_figure

    save_figure(draw_timeline(windows, segments, class_names, settings, title=title, top_k=top_k), path)
