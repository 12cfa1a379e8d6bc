"""Subtitles of the actions in a video: SubRip (.srt) and WebVTT (.vtt)."""

from collections.abc import Sequence

from action_recognition.errors import UserError
from action_recognition.inference.temporal.segments import Segment

WORD_JOINER = "\u2060"  # has no width


def to_srt(segments: Sequence[Segment], *, origin: str = "segments") -> str:
    """SubRip. Stretches without an action have no subtitle; without any action, the text is empty.

    Args:
        origin: the video, for the message.

    Raises:
        UserError: if the segments have no times.
    """
    cues = [
        f"{number}\n{_time(segment.start_seconds, ',')} --> {_time(segment.end_seconds, ',')}\n"
        f"{_srt_text(str(segment.label))} {segment.probability:.0%}\n"
        for number, segment in enumerate(_shown(segments, origin), start=1)
    ]
    return "\n".join(cues)


def to_vtt(segments: Sequence[Segment], *, origin: str = "segments") -> str:
    """WebVTT; see `to_srt`."""
    cues = [
        f"{_time(segment.start_seconds, '.')} --> {_time(segment.end_seconds, '.')}\n"
        f"{_vtt_text(str(segment.label))} {segment.probability:.0%}\n"
        for segment in _shown(segments, origin)
    ]
    return "\n".join(["WEBVTT\n", *cues])


def _shown(segments: Sequence[Segment], origin: str) -> list[Segment]:
    if segments and segments[-1].end_seconds <= 0:
        raise UserError(f"{origin}: has no times, so no subtitles; say how many frames a second has: predict.fps=25")
    return [segment for segment in segments if segment.label is not None]


def _srt_text(label: str) -> str:
    """One line. SubRip has no escapes, so what players take for a tag or a time is parted by a character without width.

    Players that draw with libass would hide what is in braces.
    """
    text = " ".join(label.split()).replace("-->", f"--{WORD_JOINER}>")
    text = text.replace("<", f"<{WORD_JOINER}").replace("\\", f"\\{WORD_JOINER}")
    return text.replace("{", "(").replace("}", ")")


def _vtt_text(label: str) -> str:
    """One line; an empty one would end the subtitle."""
    text = " ".join(label.split())
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _time(seconds: float, point: str) -> str:
    """Hours have two digits or more, as both formats allow."""
    minutes, milliseconds = divmod(round(seconds * 1000), 60_000)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{milliseconds // 1000:02d}{point}{milliseconds % 1000:03d}"
