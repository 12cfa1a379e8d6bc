"""The sound of a video, for a copy of it: packets as they are where browsers play them in MP4, or else AAC."""

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from action_recognition.utils.pyav import ANY_NAMES
from action_recognition.video.decoder import DEMUXERS
from action_recognition.video.frame_times import FrameTimes

# What browsers play inside MP4. They play no AC-3, which MP4 could hold.
COPIED = frozenset({"aac", "mp3", "mp3float", "opus", "libopus", "flac"})
UNKNOWN_RATE = 48_000
# Sound that begins this long before the picture is kept, because a decoder needs a packet before the first one heard.
LEAD_SECONDS = 0.1
# Shorter gaps between two pieces of sound come from rounded times.
AUDIBLE_SECONDS = 0.05
LONGEST_SILENCE_SECONDS = 1.0  # made at once
FFMPEG_OPTIONS = {"format_whitelist": DEMUXERS, "protocol_whitelist": "file"}


@contextmanager
def open_sound(path: Path) -> "Iterator[Sound | None]":
    """The sound of a video file for the length of a `with` block; None if it has none that can be decoded.

    Of several tracks it is the one that players choose. Sound that breaks off in the middle of the file ends there.
    """
    if not path.is_file():
        yield None
        return
    try:
        picture = _first_picture(path)
        source = _open(path)
    except (av.FFmpegError, OSError, ValueError):
        yield None
        return
    with closing(source):
        stream = source.streams.best("audio")
        yield Sound(source, stream, picture) if stream is not None and _is_usable(stream) else None


class Sound:
    """One track of sound, with times from 0 at the first frame of the picture.

    Args:
        source: the open file.
        picture_seconds: when the first frame is shown, on the clock of the file.
    """

    def __init__(self, source: Any, stream: Any, picture_seconds: float) -> None:
        self._source, self._from, self._picture_seconds = source, stream, picture_seconds
        self.is_copied = stream.codec_context.name in COPIED
        self._times: FrameTimes | None = None
        self._start = 0.0
        self._packets: Iterator[tuple[float, Any]] = iter(())
        self._next: tuple[float, Any] | None = None

    def attach(self, container: Any) -> None:
        """Add the track to a container that is being written, before its first packet."""
        if self.is_copied:
            self._to = container.add_stream_from_template(self._from)
        else:
            known, context = av.Codec("aac", "w").audio_rates or [], self._from.codec_context
            rate = context.sample_rate if context.sample_rate in known else UNKNOWN_RATE
            layout = "mono" if context.layout.nb_channels == 1 else "stereo"
            self._to = container.add_stream("aac", rate=rate, layout=layout)
        self._packets = self._copied() if self.is_copied else self._encoded()
        self._next = next(self._packets, None)

    def until(self, seconds: float) -> Iterator[Any]:
        """The next packets to be written, up to a time of the picture."""
        while self._next is not None and self._next[0] < seconds:
            yield self._next[1]
            self._next = next(self._packets, None)

    def rest(self) -> Iterator[Any]:
        """What an encoder still holds, once all packets up to the end have been taken."""
        if not self.is_copied:
            yield from self._to.encode(None)

    def _copied(self) -> Iterator[tuple[float, Any]]:
        for packet, seconds, frames in self._decoded():
            if frames is None:
                continue
            packet.pts = packet.dts = round(seconds / packet.time_base)
            packet.stream = self._to
            yield seconds, packet

    def _encoded(self) -> Iterator[tuple[float, Any]]:
        rate = self._to.codec_context.sample_rate
        resampler = av.AudioResampler(format="fltp", layout=self._to.codec_context.layout, rate=rate)
        done = 0  # samples
        for _, seconds, frames in self._decoded():
            place = round(seconds * rate)
            for frame in frames or ():
                frame.pts = None
                for piece in resampler.resample(frame):
                    if place - done > AUDIBLE_SECONDS * rate:
                        for silence in _silence(piece, place - done):
                            yield from self._encode(silence, done, rate)
                            done += silence.samples
                    if place - done >= -AUDIBLE_SECONDS * rate:
                        yield from self._encode(piece, done, rate)
                        done += piece.samples
                    place += piece.samples

    def _encode(self, frame: Any, place: int, rate: int) -> Iterator[tuple[float, Any]]:
        frame.pts, frame.time_base = place, Fraction(1, rate)
        for packet in self._to.encode(frame):
            yield place / rate, packet

    def _decoded(self) -> Iterator[tuple[Any, float, list[Any] | None]]:
        """Packets, their times, and the frames in them; None for a damaged one, which would stop a browser."""
        with suppress(av.FFmpegError):  # the sound ends where it cannot be read
            for packet in self._source.demux(self._from):
                if packet.size == 0:  # the end
                    continue
                # In front of the decoder, which may set what it finds.
                seconds = self._seconds(packet)
                frames = None
                with suppress(av.FFmpegError):
                    frames = packet.decode()
                if seconds > -LEAD_SECONDS:
                    yield packet, seconds, frames

    def _seconds(self, packet: Any) -> float:
        """Times repaired in the way that the picture's are, so that they stay together."""
        stated = packet.pts if packet.pts is not None else packet.dts
        seconds = float(stated * packet.time_base) if stated is not None else float("nan")
        if self._times is None:
            length = float((packet.duration or 0) * packet.time_base)
            self._times = FrameTimes(1 / length if length > 0 else 0.0)
            self._start = seconds - self._picture_seconds if np.isfinite(seconds) else 0.0
        return self._start + self._times.add(seconds)


def _silence(like: Any, samples: int) -> Iterator[Any]:
    """Frames of `samples` samples of silence, otherwise as another frame."""
    most = round(like.sample_rate * LONGEST_SILENCE_SECONDS)
    while samples > 0:
        count = min(samples, most)
        silence_CN = np.zeros((like.layout.nb_channels, count), dtype=np.float32)
        frame = av.AudioFrame.from_ndarray(silence_CN, format="fltp", layout=like.layout.name)
        frame.sample_rate = like.sample_rate
        yield frame
        samples -= count


def _open(path: Path) -> Any:
    # As in `video.decoder`.
    return av.open(f"file:{os.fspath(path.absolute())}", options=FFMPEG_OPTIONS, **ANY_NAMES)


def _is_usable(stream: Any) -> bool:
    context = stream.codec_context
    return context is not None and context.sample_rate > 0 and context.layout.nb_channels > 0


def _first_picture(path: Path) -> float:
    """When the first frame is shown, on the clock of the file."""
    with closing(_open(path)) as source:
        stream = source.streams.video[0] if source.streams.video else None
        with suppress(av.FFmpegError):
            for frame in source.decode(stream) if stream else ():
                return float(frame.time or 0.0)
        return float((stream.start_time or 0) * stream.time_base) if stream else 0.0
