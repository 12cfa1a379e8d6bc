"""Pictures of maps: layers, or the channels of one layer, below each other, and time from left to right."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch
from matplotlib.path import Path as Curve
from numpy.typing import NDArray

from action_recognition.explain.connections import INPUT, Connection
from action_recognition.reports.figures import BLUE, INK, LINE, ORANGE, SOFT, plt
from action_recognition.utils.text import printable, shortened
from action_recognition.video.frames import Frame

MOST_COLUMNS, FEWEST_COLUMNS = 8, 4
LONGEST_NAME = 40
BEND = 0.4  # how far an arrow round other layers goes to the left
# In units of a map's side: the gap between maps, the space for names at their left, for a lane of the connections.
GAP, NAMES, LANE = 0.14, 1.9, 0.5
INCHES, SMALL_INCHES, STILL = 1.0, 0.75, 1.2  # of a map's side, with connections, without, and of a still's
MAGNITUDE, SIGNED = "magma", "RdBu_r"


@dataclass(frozen=True, kw_only=True)
class MapRow:
    """Maps of one layer or channel over time.

    Attributes:
        name: what stands beside it, and `note` below that in small letters.
        maps_THW: its values.
        low, high: the values of the darkest and the brightest colour.
    """

    name: str
    note: str
    maps_THW: NDArray[np.floating]
    low: float
    high: float

    @property
    def colors(self) -> str:
        return SIGNED if self.low < 0 else MAGNITUDE


@dataclass(frozen=True)
class _Sheet:
    """Where things are, in units of a map's side: rows from the top, columns from the left, words beside or above."""

    axis: Axes
    pitch: float
    above: bool  # words above a row, not at its left

    def extent(self, row: int, middle: float) -> tuple[float, float, float, float]:
        """Of a square of side 1 in a row, around a place in units of columns."""
        x, y = middle * (1 + GAP) - 0.5, self.top(row)
        return x, x + 1, y + 1, y

    def top(self, row: int) -> float:
        return row * self.pitch + (self.pitch - 1 - GAP if self.above else 0.0)

    def write(self, row: int, name: str, note: str) -> None:
        shown = shortened(printable(name), LONGEST_NAME)
        y = self.top(row)
        if self.above:
            text = f"{shown}   {note}" if note else shown
            self.axis.text(GAP / 2, y - 0.06, text, fontsize=8.5, color=INK, va="bottom", parse_math=False)
            return
        self.axis.text(-NAMES, y + 0.46, shown, fontsize=9, color=INK, va="bottom", parse_math=False)
        self.axis.text(-NAMES, y + 0.56, note, fontsize=8, color=SOFT, va="top", parse_math=False)


def draw_rows(frames_THWC: Frame, rows: Sequence[MapRow], links: Sequence[Connection] = (), *, first: str) -> Figure:
    """Frames on top, then the rows; a map of several frames lies in the middle of them.

    Args:
        links: the connections between rows by their names, drawn at the left.
        first: what stands with the frames.
    """
    columns = min(len(frames_THWC), MOST_COLUMNS)
    lanes = lanes_of([row.name for row in rows], links)
    left = -(LANE * (max(lanes.values()) + 1) + BEND) if links else -NAMES
    pitch, inches = (1.36, INCHES) if links else (1 + GAP, SMALL_INCHES)
    width, height = max(columns, FEWEST_COLUMNS) * (1 + GAP), pitch * (len(rows) + 1)
    figure, axis = plt.subplots(figsize=(inches * (width - left), inches * height))
    axis.set(xlim=(left, width), ylim=(height, 0))
    axis.set_axis_off()
    sheet = _Sheet(axis, pitch, above=bool(links))
    for column in range(columns):
        frame_HWC = frames_THWC[_middle(column, columns, len(frames_THWC))]
        axis.imshow(frame_HWC, extent=sheet.extent(0, column + 0.5), aspect="auto", interpolation="bilinear")
    sheet.write(0, first, f"{columns} of {len(frames_THWC)} frames" if columns > 1 else "")
    for number, row in enumerate(rows, start=1):
        _draw_row(sheet, number, row, columns)
    if links:
        _connect(sheet, [INPUT, *(row.name for row in rows)], links, lanes, left)
    figure.subplots_adjust(left=0, right=1, top=1, bottom=0)
    return figure


def _draw_row(sheet: _Sheet, number: int, row: MapRow, columns: int) -> None:
    steps = len(row.maps_THW)
    shown = min(columns, steps)
    for place in range(shown):
        sheet.axis.imshow(
            row.maps_THW[_middle(place, shown, steps)],
            extent=sheet.extent(number, (place + 0.5) * columns / shown),
            vmin=row.low,
            vmax=row.high,
            cmap=row.colors,
            aspect="auto",
            interpolation="nearest",
        )
    sheet.write(number, row.name, row.note)


def draw_still(frame_HWC: Frame, rows: Sequence[MapRow], *, first: str) -> Figure:
    """For clips of one frame: the frame and the maps side by side, each below its name."""
    columns = min(len(rows) + 1, MOST_COLUMNS)
    lines = -(-(len(rows) + 1) // columns)
    figure, axes = plt.subplots(lines, columns, figsize=(STILL * columns, (STILL + 0.2) * lines), squeeze=False)
    for axis in axes.flat:
        axis.set_axis_off()
    axes.flat[0].imshow(frame_HWC)
    axes.flat[0].set_title(first, fontsize=8, loc="left")
    for axis, row in zip(axes.flat[1:], rows, strict=False):
        axis.imshow(row.maps_THW[0], vmin=row.low, vmax=row.high, cmap=row.colors, interpolation="nearest")
        axis.set_title(row.name, fontsize=8, loc="left", parse_math=False)
    figure.subplots_adjust(left=0, right=1, top=0.9, bottom=0, wspace=GAP / 2)
    return figure


def lanes_of(names: Sequence[str], links: Sequence[Connection]) -> dict[str, int]:
    """Side by side are the layers of branches, such as two streams: each is in the lane of what feeds it, if free."""
    lanes: dict[str, int] = {INPUT: 0}
    tips: dict[int, str] = {0: INPUT}  # the last layer of each lane
    for name in names:
        sources = [link.source for link in links if link.target == name and link.source in lanes]
        own = [lanes[source] for source in sources if tips[lanes[source]] == source]
        lane = own[0] if own else max(tips) + 1
        lanes[name] = lane
        tips[lane] = name
    return lanes


def _connect(
    sheet: _Sheet, names: Sequence[str], links: Sequence[Connection], lanes: dict[str, int], left: float
) -> None:
    """Dots for layers with arrows between them, and how many sums are on the way."""
    spots = {name: (left + BEND + LANE * lanes[name], sheet.top(number) + 0.5) for number, name in enumerate(names)}
    for link in links:
        (x1, y1), (x2, y2) = spots[link.source], spots[link.target]
        # One that passes other layers of its lane goes round them.
        passes = any(x == x1 == x2 and y1 < y < y2 for x, y in spots.values())
        style: dict[str, Any] = {"arrowstyle": "-|>", "mutation_scale": 9, "color": ORANGE if passes else SOFT}
        if passes:
            far, end = x1 - 1.2 * BEND, x2 - 0.07
            spline = Curve([(x1, y1), (far, y1), (far, y2), (end, y2)], [Curve.MOVETO, *[Curve.CURVE4] * 3])
            arrow = FancyArrowPatch(path=spline, **style)
        else:
            arrow = FancyArrowPatch((x1, y1), (x2, y2), shrinkA=4, shrinkB=4, **style)
        sheet.axis.add_patch(arrow)
    for name, (x, y) in spots.items():
        sheet.axis.plot(x, y, "o", color=BLUE, markersize=6)
        if sums := max((link.sums for link in links if link.target == name), default=0):
            sheet.axis.text(x + 0.08, y - 0.3, f"+{sums}", fontsize=8, color=ORANGE, va="center")
        sheet.axis.plot([x + 0.1, -0.05], [y, y], color=LINE, linewidth=0.8, zorder=0)


def _middle(place: int, places: int, count: int) -> int:
    """The one of `count` in the middle of a place's share."""
    return int((place + 0.5) * count / places)


def save_svg(figure: Figure, path: Path) -> None:
    """Write an SVG that is the same for the same figure; the figure stays open."""
    with plt.rc_context({"svg.hashsalt": path.stem}):
        figure.savefig(path, dpi=100, metadata={"Date": None, "Creator": None})
