"""What is drawn into a labelled video: the action of the moment, how probable the classes are, and the timeline."""

from bisect import bisect_right

import numpy as np
from numpy.typing import NDArray

from action_recognition.inference.labelled_video.layers import Layer
from action_recognition.inference.labelled_video.lettering import fitted, has_letters, line_height, text_width
from action_recognition.inference.temporal.colors import NONE_COLOR, label_color
from action_recognition.inference.temporal.segments import NONE_OF_THESE, Segment, most_likely
from action_recognition.inference.video_labels import VideoLabels
from action_recognition.utils.text import printable
from action_recognition.video.frames import Frame

WHITE, BLACK = (255, 255, 255), (0, 0, 0)
PANEL_OPACITY = 0.58
TO_COME_OPACITY = 0.45  # of the timeline
MOST_OF_HEIGHT = 0.42  # that the bars may take
LEAST_CAPTION = 10  # times the size of letters: where less is left beside the bars, they go below the caption


class Painter:
    """Draws the labels of a video into its frames.

    Everything is at the top, because players lay their controls over the bottom: a timeline of all segments, below it
    on the left the segment that the frame belongs to, and on the right the `top_k` likeliest classes of the window
    around the frame, with a bar for each. Text is rendered again only when it changes.

    Args:
        width, height: pixels of a frame.
    """

    def __init__(self, labels: VideoLabels, *, width: int, height: int, top_k: int = 3) -> None:
        self.width, self.height = width, height
        self.labels = labels
        self.names = [_shown(name, number) for number, name in enumerate(labels.class_names)]
        self.size = max(11, round(0.036 * min(width, height)))  # of letters
        self.margin = max(6, round(0.7 * self.size))
        self.window_of_frame = nearest_windows(labels)
        self.top_k = min(top_k, len(self.names), self._rows_that_fit())
        self.panel_width = self._panel_width()
        self._panel: tuple[int, Layer] | None = None
        self._caption: tuple[Segment | None, Layer] | None = None
        self._timeline = Timeline(labels, width=width, margin=self.margin, size=self.size)
        self._place()

    def draw(self, frame_HWC: Frame, number: int, seconds: float) -> None:
        """Draw into frame `number`, which is shown at `seconds`, in place."""
        if self.top_k:
            self._panel_of(int(self.window_of_frame[min(number, len(self.window_of_frame) - 1)])).lay_over(frame_HWC)
        self._caption_of(segment_of(self.labels.segments, number)).lay_over(frame_HWC)
        duration = self.labels.duration_seconds
        self._timeline.draw(frame_HWC, seconds / duration if duration else number / self.labels.frames)

    def _place(self) -> None:
        """Choose the places of caption and panel: side by side, or one below the other in narrow frames."""
        gap, below = round(0.5 * self.size), self._timeline.bottom
        self._caption_top = self._panel_top = below + gap
        self._caption_width = self.width - 2 * self.margin
        beside = self._caption_width - (self.panel_width + self.margin if self.top_k else 0)
        if beside >= LEAST_CAPTION * self.size:
            self._caption_width = beside
            self._panel_left = self.width - self.margin - self.panel_width
        else:
            self._panel_left = self.margin
            self._panel_top += self._caption_height + gap

    @property
    def _caption_size(self) -> int:
        return round(1.15 * self.size)

    @property
    def _caption_height(self) -> int:
        return line_height(self._caption_size) + round(0.55 * self.size)

    @property
    def _row_height(self) -> int:
        return line_height(self.size) + self._bar_height + round(0.55 * self.size)

    @property
    def _bar_height(self) -> int:
        return max(4, round(0.26 * self.size))  # fewer rows lose their colour in video

    def _rows_that_fit(self) -> int:
        return max(0, int((MOST_OF_HEIGHT * self.height - self.size) // self._row_height))

    def _panel_width(self) -> int:
        """As wide as its longest label needs, up to a part of the picture; the same for the whole video."""
        ever = {int(k) for window in self.labels.windows for k in most_likely(window.probabilities, self.top_k)}
        longest = max((text_width(self.names[k], self.size, bold=True) for k in ever), default=0)
        wanted = longest + text_width(" 100%", self.size, bold=True) + 3 * self.margin
        most = max(14 * self.size, round(0.4 * self.width))
        return min(max(wanted, 12 * self.size), most, self.width - 2 * self.margin)

    def _panel_of(self, window: int) -> Layer:
        if self._panel is None or self._panel[0] != window:
            self._panel = window, self._bars(self.labels.windows[window].probabilities)
        return self._panel[1]

    def _bars(self, probabilities_K: NDArray[np.float64]) -> Layer:
        inset, size, bar = self.margin, self.size, self._bar_height
        height = self.top_k * self._row_height - round(0.55 * size) + 2 * inset
        layer = Layer(self._panel_left, self._panel_top, self.panel_width, height)
        layer.box((0, 0, self.panel_width, height), 0.5 * size, BLACK, PANEL_OPACITY)
        room, top = self.panel_width - 2 * inset, inset
        for place, k in enumerate(most_likely(probabilities_K, self.top_k)):
            share, bold = float(probabilities_K[k]), place == 0
            percent, opacity = f"{share:.0%}", 1.0 if place == 0 else 0.8
            percent_width = text_width(percent, size, bold=bold)
            label = fitted(self.names[k], room - percent_width - size // 2, size, bold=bold)
            layer.text(label, inset, top, size, WHITE, bold=bold, opacity=opacity)
            layer.text(percent, inset + room - percent_width, top, size, WHITE, bold=bold, opacity=opacity)
            under = top + line_height(size)
            layer.box((inset, under, room, bar), bar / 2, WHITE, 0.2)
            if (length := round(room * min(1.0, share))) > 0:
                layer.box((inset, under, max(length, bar), bar), bar / 2, label_color(int(k)))
            top += self._row_height
        return layer

    def _caption_of(self, segment: Segment | None) -> Layer:
        if self._caption is None or self._caption[0] != segment:
            self._caption = segment, self._caption_layer(segment)
        return self._caption[1]

    def _caption_layer(self, segment: Segment | None) -> Layer:
        size, inset, most = self._caption_size, round(0.55 * self.size), self._caption_width
        label, share, color = NONE_OF_THESE, "", NONE_COLOR
        if segment is not None and segment.label is not None:
            k = self.labels.class_names.index(segment.label)
            label, share, color = self.names[k], f"{segment.probability:.0%}", label_color(k)
        dot = round(0.62 * size)
        fixed = 2 * inset + dot + inset + (text_width(share, size) + inset if share else 0)
        label = fitted(label, most - fixed, size, bold=bool(share))
        label_width, height = text_width(label, size, bold=bool(share)), self._caption_height
        width = min(fixed + label_width, most)
        layer = Layer(self.margin, self._caption_top, width, height)
        layer.box((0, 0, width, height), 0.5 * self.size, BLACK, PANEL_OPACITY)
        layer.box((inset, (height - dot) // 2, dot, dot), 0.3 * dot, color)
        left, top = 2 * inset + dot, (height - line_height(size)) // 2
        layer.text(label, left, top, size, WHITE, bold=bool(share), opacity=1.0 if share else 0.75)
        layer.text(share, left + label_width + inset, top, size, WHITE, opacity=0.8)
        return layer


class Timeline:
    """A strip of all segments, each in the colour of its class, and where the frame is."""

    def __init__(self, labels: VideoLabels, *, width: int, margin: int, size: int) -> None:
        self.bar = max(5, round(0.45 * size))
        self.edge = max(2, self.bar // 3)  # of the dark border that sets it off from the picture
        self.track = width - 2 * margin
        self.left, self.top = margin, round(0.6 * margin) + self.edge
        self.bottom = self.top + self.bar + self.edge
        self._played, self._to_come = (self._strip(labels, opacity) for opacity in (1.0, TO_COME_OPACITY))
        self._cursor = max(3, round(0.22 * size))

    def draw(self, frame_HWC: Frame, place: float) -> None:
        """Draw it with the cursor at a place from 0, the start of the video, to 1."""
        column = self.edge + round(min(1.0, place) * self.track)
        self._played.lay_over(frame_HWC, end=column)
        self._to_come.lay_over(frame_HWC, first=column)
        left = min(max(0, self.left - self.edge + column - self._cursor // 2), frame_HWC.shape[1] - self._cursor)
        top = self.top - self.edge
        frame_HWC[top : top + self.bar + 2 * self.edge, left : left + self._cursor] = WHITE

    def _strip(self, labels: VideoLabels, opacity: float) -> Layer:
        edge, bar = self.edge, self.bar
        layer = Layer(self.left - edge, self.top - edge, self.track + 2 * edge, bar + 2 * edge)
        layer.box((0, 0, layer.width, layer.height), edge + bar / 4, BLACK, PANEL_OPACITY)
        gap = max(1, bar // 6)
        for segment in labels.segments:
            first, end = (round(min(1.0, place) * self.track) for place in _places(segment, labels))
            color = NONE_COLOR if segment.label is None else label_color(labels.class_names.index(segment.label))
            shown = opacity * (0.5 if segment.label is None else 1.0)
            layer.box((edge + first, edge, max(1, end - first - gap), bar), bar / 4, color, shown)
        return layer


def segment_of(segments: tuple[Segment, ...], number: int) -> Segment | None:
    """The segment that a frame is in; None if it is in none."""
    place = bisect_right(segments, number, key=lambda segment: segment.first_frame) - 1
    return segments[place] if place >= 0 and number < segments[place].end_frame else None


def _places(segment: Segment, labels: VideoLabels) -> tuple[float, float]:
    """Where a segment starts and ends, from 0 to 1."""
    if labels.duration_seconds:
        return segment.start_seconds / labels.duration_seconds, segment.end_seconds / labels.duration_seconds
    return segment.first_frame / labels.frames, segment.end_frame / labels.frames


def nearest_windows(labels: VideoLabels) -> NDArray[np.int64]:
    """`[frames]`: for each frame, the number of the window whose middle is nearest."""
    middles = np.array([window.first_frame + window.end_frame - 1 for window in labels.windows]) / 2
    borders = (middles[1:] + middles[:-1]) / 2
    return np.searchsorted(borders, np.arange(labels.frames))


def _shown(name: str, number: int) -> str:
    """A class name; its number if no font has its letters."""
    name = printable(name)
    return name if has_letters(name) else f"class {number}"
