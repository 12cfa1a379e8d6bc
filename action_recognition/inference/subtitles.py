"""Subtitles of the actions in a video: SubRip (.srt) and WebVTT (.vtt)."""

from collections.abc import Iterable

from action_recognition.inference.segments import Segment


def to_srt(segments: Iterable[Segment]) -> str:
    """SubRip; stretches without an action have no subtitle."""
    cues = [
        f"{number}\n{_time(segment.start_seconds, ',')} --> {_time(segment.end_seconds, ',')}\n{_text(segment)}\n"
        for number, segment in enumerate(_shown(segments), start=1)
    ]
    return "\n".join(cues)


def to_vtt(segments: Iterable[Segment]) -> str:
    """WebVTT; stretches without an action have no subtitle."""
    cues = [
        f"{_time(segment.start_seconds, '.')} --> {_time(segment.end_seconds, '.')}\n{_text(segment)}\n"
        for segment in _shown(segments)
    ]
    return "\n".join(["WEBVTT\n", *cues])


def _shown(segments: Iterable[Segment]) -> list[Segment]:
    return [segment for segment in segments if segment.label is not None]


def _text(segment: Segment) -> str:
    """One line; in both formats a line break would end the text, and `<` begin a tag."""
    text = " ".join(str(segment.label).split())
    for letter, name in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
        text = text.replace(letter, name)
    return f"{text} {segment.probability:.0%}"


def _time(seconds: float, point: str) -> str:
    milliseconds = round(seconds * 1000)
    minutes, rest = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{rest // 1000:02d}{point}{rest % 1000:03d}"
