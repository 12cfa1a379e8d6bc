"""Videos of known content: clips of a data set one after the other, with stretches between them that show no action.

Each clip is encoded once; a video is the concatenation of their H.264 streams, so that an hour is written in seconds.
"""

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from action_recognition.datasets.records import ClipRecord
from action_recognition.evaluation.temporal_detection import Action
from action_recognition.video.clip_files import open_clip

FPS = 30
MOST_CLIPS = 4  # of one action
PAUSES = 0.5  # share of actions that a pause follows
PAUSE_SECONDS = (1.5, 6.0)
Frames = NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True, eq=False)
class Piece:
    """Frames `[T, H, W, 3]` of one action; of none if `label` is None."""

    label: str | None
    frames_THWC: Frames

    @cached_property
    def stream(self) -> bytes:
        """As H.264, complete in itself."""
        height, width = self.frames_THWC.shape[1:3]
        file = io.BytesIO()
        with av.open(file, "w", format="h264") as output:
            video = output.add_stream("libx264", rate=FPS, options={"preset": "ultrafast", "crf": "18", "bf": "0"})
            video.width, video.height, video.pix_fmt = width, height, "yuv420p"
            for frame_HWC in self.frames_THWC:
                output.mux(video.encode(av.VideoFrame.from_ndarray(frame_HWC, format="rgb24")))
            output.mux(video.encode())
            return file.getvalue()


def write_video(path: Path, pieces: Sequence[Piece]) -> list[Action]:
    """Write pieces as an MP4 file; returns the actions in it, with runs of one class as one action."""
    with (
        av.open(io.BytesIO(b"".join(piece.stream for piece in pieces)), format="h264") as source,
        av.open(str(path), "w") as output,
    ):
        video = output.add_stream_from_template(source.streams.video[0])
        packets = (packet for packet in source.demux() if packet.size)
        for number, packet in enumerate(packets):
            packet.time_base = Fraction(1, FPS)
            packet.pts = packet.dts = number
            packet.duration, packet.stream = 1, video
            output.mux(packet)
    actions: list[Action] = []
    frames, before = 0, None
    for piece in pieces:
        start, frames = frames, frames + len(piece.frames_THWC)
        if piece.label is not None and piece.label == before:
            actions[-1] = actions[-1]._replace(end_seconds=frames / FPS)
        elif piece.label is not None:
            actions.append(Action(path.name, piece.label, start / FPS, frames / FPS))
        before = piece.label
    return actions


def load_pieces(records: Sequence[ClipRecord], videos_dir: Path) -> list[Piece]:
    """The clips as RGB, all of the first one's size."""
    pieces: list[Piece] = []
    for record in records:
        with open_clip(videos_dir / record.path) as clip:
            frames_THWC = np.stack(list(clip))
        height, width = (pieces[0].frames_THWC if pieces else frames_THWC).shape[1:3]
        if frames_THWC.shape[1:3] != (height, width):
            frames_THWC = np.stack([cv2.resize(frame_HWC, (width, height)) for frame_HWC in frames_THWC])
        pieces.append(Piece(label=record.label, frames_THWC=frames_THWC.astype(np.uint8)))
    return pieces


def pick_pieces(clips: Sequence[Piece], pauses: Sequence[Piece], *, seconds: float, seed: int) -> list[Piece]:
    """A video of about `seconds`: actions of one to `MOST_CLIPS` clips of one class, after half of them a pause."""
    rng = np.random.default_rng(seed)
    labels = sorted({str(clip.label) for clip in clips})
    picked: list[Piece] = []
    before = None
    while sum(len(piece.frames_THWC) for piece in picked) < seconds * FPS:
        label = rng.choice([label for label in labels if label != before])
        of_label = [clip for clip in clips if clip.label == label]
        count = min(len(of_label), int(rng.integers(1, MOST_CLIPS + 1)))
        picked += [of_label[number] for number in rng.choice(len(of_label), size=count, replace=False)]
        before = label
        if rng.random() < PAUSES:
            picked.append(pauses[int(rng.integers(len(pauses)))])
            before = None
    return picked


def make_pauses(clips: Sequence[Piece], *, count: int, seed: int) -> list[Piece]:
    """Stretches without an action, made of single frames of clips: held, panned over, or faded to black and back."""
    rng = np.random.default_rng(seed)
    kinds = (_held, _panned, _faded)
    pauses = []
    for number in range(count):
        frames_THWC = clips[int(rng.integers(len(clips)))].frames_THWC
        frame_HWC = frames_THWC[rng.integers(len(frames_THWC))]
        length = int(rng.uniform(*PAUSE_SECONDS) * FPS)
        frames = np.stack(list(kinds[number % len(kinds)](frame_HWC, length)))
        pauses.append(Piece(label=None, frames_THWC=frames))
    return pauses


def _held(frame_HWC: Frames, length: int) -> Iterator[Frames]:
    yield from (frame_HWC for _ in range(length))


def _panned(frame_HWC: Frames, length: int) -> Iterator[Frames]:
    """A camera that moves over the picture from one side to the other."""
    height, width = frame_HWC.shape[:2]
    large_HWC = cv2.resize(frame_HWC, (2 * width, 2 * height))
    for left in np.linspace(0, width, length).astype(int):
        yield large_HWC[height // 2 : height // 2 + height, left : left + width].astype(np.uint8)


def _faded(frame_HWC: Frames, length: int) -> Iterator[Frames]:
    for light in np.abs(np.linspace(-1, 1, length)):
        yield (frame_HWC * light).astype(np.uint8)
