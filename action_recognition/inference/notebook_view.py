"""How a notebook shows a prediction: label, the likeliest classes as bars, and the segments as a strip."""

from html import escape

from action_recognition.inference.temporal.colors import NONE_COLOR, Color, label_color
from action_recognition.inference.temporal.segments import NONE_OF_THESE, Segment
from action_recognition.inference.video_labels import VideoLabels
from action_recognition.utils.text import printable

SHOWN = 3
MOST_SEGMENTS = 60  # in the strip; more are for `plot`
FAINT = "opacity:.65"


def as_html(labels: VideoLabels) -> str:
    """A fragment of HTML without scripts and outside resources, legible on light and on dark pages."""
    length = f"{labels.duration_seconds:.1f} s" if labels.fps else f"{labels.frames} frames"
    rows = "".join(_bar(labels, label, probability) for label, probability in labels.top(SHOWN))
    return (
        '<div style="max-width:34em;font-size:13px;line-height:1.5">'
        f"<div>{_heading(labels)}"
        f' <span style="{FAINT}">{_text(labels.input)}, {length}</span></div>{rows}{_strip(labels)}</div>'
    )


def _heading(labels: VideoLabels) -> str:
    if labels.is_none_of_these:
        return f'<b style="font-size:15px">{NONE_OF_THESE}</b>'
    return f'<b style="font-size:15px">{_text(labels.label)}</b> {labels.probability:.1%}'


def _bar(labels: VideoLabels, label: str, probability: float) -> str:
    color = _css(label_color(labels.class_names.index(label)))
    return (
        '<div style="display:flex;align-items:center;gap:.6em">'
        f'<span style="width:10em;overflow:hidden;text-overflow:ellipsis;white-space:nowrap">{_text(label)}</span>'
        '<span style="flex:1;background:rgba(128,128,128,.18);border-radius:3px">'
        f'<span style="display:block;height:.7em;border-radius:3px;background:{color};width:{probability:.1%}"></span>'
        f'</span><span style="width:3.6em;text-align:right">{probability:.1%}</span></div>'
    )


def _strip(labels: VideoLabels) -> str:
    """The segments, each as wide as it lasts; its times are what the mouse finds on it."""
    if len(labels.segments) > MOST_SEGMENTS:
        return f'<div style="{FAINT}">{len(labels.segments)} segments</div>'
    parts = "".join(_part(labels, segment) for segment in labels.segments)
    return f'<div style="display:flex;margin-top:.5em;border-radius:3px;overflow:hidden">{parts}</div>'


def _part(labels: VideoLabels, segment: Segment) -> str:
    color = NONE_COLOR if segment.label is None else label_color(labels.class_names.index(segment.label))
    name = "none of the classes" if segment.label is None else segment.label
    times = f"{segment.start_seconds:.1f}-{segment.end_seconds:.1f} s: " if labels.fps else ""
    shown = "&nbsp;" if segment.label is None else _text(segment.label)
    return (
        f'<span title="{times}{_text(name)} {segment.probability:.1%}" style="flex:{_length(segment)} 1 0;'
        f"min-width:1px;background:{_css(color)};color:#000;padding:0 .3em;overflow:hidden;text-overflow:ellipsis;"
        f'white-space:nowrap;font-size:11px;box-sizing:border-box">{shown}</span>'
    )


def _length(segment: Segment) -> int:
    return max(1, segment.end_frame - segment.first_frame)


def _text(text: str) -> str:
    return escape(printable(text))


def _css(color: Color) -> str:
    return "rgb({},{},{})".format(*color)
