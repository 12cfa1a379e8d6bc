"""Videos with sound, and what a second decoder finds in one."""

import struct
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np

HERTZ = 440.0
TICKS = 90_000
VIDEO_CODECS = {".webm": "libvpx", ".avi": "mpeg4", ".ts": "mpeg2video"}


class Tracks(NamedTuple):
    """What is in a file: times of frames and of samples in seconds, `[N]`, samples `[channels, N]`."""

    frame_seconds: np.ndarray
    sound_seconds: np.ndarray
    samples: np.ndarray
    codec: str | None


def write_with_sound(
    path: Path,
    frames_THWC: np.ndarray,
    *,
    seconds: Sequence[float] | None = None,
    codec: str | None = "aac",
    rate: int = 44_100,
    pieces: Sequence[tuple[float, float]] = ((0.0, 2.0),),
    channels: int = 1,
) -> Path:
    """Write frames at given times (default: 25 a second), and a tone in each of the `pieces` (seconds)."""
    with av.open(str(path), "w") as output:
        video = output.add_stream(VIDEO_CODECS.get(path.suffix, "libx264"), rate=25)
        video.height, video.width = frames_THWC.shape[1:3]
        video.pix_fmt = "yuv420p"
        video.codec_context.time_base = Fraction(1, 25 if path.suffix in (".avi", ".ts", ".webm") else TICKS)
        base = video.codec_context.time_base
        layout = {1: "mono", 2: "stereo", 6: "5.1"}[channels]
        sound = output.add_stream(codec, rate=rate, layout=layout) if codec else None
        for number, frame_HWC in enumerate(frames_THWC):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame_HWC), format="rgb24")
            frame.pts, frame.time_base = round((seconds[number] if seconds else number / 25) / base), base
            output.mux(video.encode(frame))
        output.mux(video.encode(None))
        for start, end in pieces if sound else ():
            tone = np.sin(2 * np.pi * HERTZ * np.arange(round((end - start) * rate)) / rate)
            for first in range(0, len(tone) - 1023, 1024):
                samples = np.repeat(tone[None, first : first + 1024], channels, axis=0).astype(np.float32) / 2
                frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout=layout)
                frame.sample_rate, frame.time_base = rate, Fraction(1, rate)
                frame.pts = round(start * rate) + first
                output.mux(sound.encode(frame))
        if sound:
            output.mux(sound.encode(None))
    return path


def read_tracks(path: Path) -> Tracks:
    """Decoded by PyAV, whose decoders and times are not OpenCV's."""
    with av.open(str(path)) as container:
        frames = [float(frame.pts * frame.time_base) for frame in container.decode(container.streams.video[0])]
        codec = container.streams.audio[0].codec_context.name if container.streams.audio else None
    if codec is None:
        return Tracks(np.array(frames), np.zeros(0), np.zeros((1, 0)), None)
    times, samples = [], []
    with av.open(str(path)) as container:
        for frame in container.decode(container.streams.audio[0]):
            times.append(float(frame.pts * frame.time_base) + np.arange(frame.samples) / frame.sample_rate)
            found = frame.to_ndarray()
            found = found if frame.format.is_planar else found.reshape(-1, frame.layout.nb_channels).T
            samples.append(found / (32768 if found.dtype == np.int16 else 1))
    return Tracks(np.array(frames), np.concatenate(times), np.concatenate(samples, axis=1), codec)


def heard(tracks: Tracks) -> tuple[float, float]:
    """When the tone begins and ends."""
    loud = tracks.sound_seconds[np.abs(tracks.samples[0]) > 0.1]
    return float(loud[0]), float(loud[-1])


def turn(path: Path) -> None:
    """Mark an MP4 as filmed with the camera on its side, as phones do: shown turned by 90 degrees clockwise."""
    content = bytearray(path.read_bytes())
    place = content.index(b"tkhd") + 4 + 40  # of the matrix, in a header of version 0
    matrix = (0, 1 << 16, 0, -(1 << 16), 0, 0, 0, 0, 1 << 30)
    content[place : place + 36] = struct.pack(">9i", *matrix)
    path.write_bytes(content)
