"""Synthetic depth sequences: a hand before nothing, 16-bit PNG, in six gestures that only motion tells apart.

Values are what a depth camera gives: the further, the larger, and 0 where nothing is in reach. Subjects differ in the
size of the hand, in how they spread their fingers, and in where and how fast they move.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import cos, pi, sin
from pathlib import Path

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from action_recognition.errors import check_at_least
from action_recognition.synthetic.stills import write_image
from action_recognition.utils.folders import new_folder

SIDE = 64  # pixels
FRAMES_NAME = "frames"
NEAR, FAR = 22_000, 44_000  # of the hand over a push
NOISE = 12  # of a value, in steps of 16, plus or minus: what a sensor cannot tell apart
FIXED_POINT_BITS = 4
Depth = NDArray[np.uint16]


@dataclass(frozen=True, kw_only=True)
class Subject:
    """Pixels, radians, and a share of the depth range; `fingers` are how many are stretched."""

    palm: float
    reach: float
    spread: float
    tilt: float
    fingers: int
    depth: float


# From a phase 0-1 to where the palm is: right and up in reaches of the subject, and how near (-1) or far (1).
GESTURES: dict[str, Callable[[float], tuple[float, float, float]]] = {
    "circle": lambda phase: (0.8 * sin(2 * pi * phase), 0.8 * cos(2 * pi * phase), 0.0),
    "pull": lambda phase: (0.0, 0.0, 2 * phase - 1),
    "push": lambda phase: (0.0, 0.0, 1 - 2 * phase),
    "raise": lambda phase: (0.0, 2 * phase - 1, 0.0),
    "swipe_left": lambda phase: (1 - 2 * phase, 0.0, 0.0),
    "swipe_right": lambda phase: (2 * phase - 1, 0.0, 0.0),
}


def render_depth_set(
    directory: Path,
    *,
    seed: int = 2024,
    subjects: int = 4,
    sequences: int = 3,
    frames: int = 12,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Write `directory/frames/<gesture>/S<subject>-<sequence>/<frame>.png`; the same seed gives the same values.

    Args:
        directory: must not exist, or be empty.
        seed: 0 or more.
        sequences: of a subject and gesture.
        frames: of a sequence.
        progress: called with (done, total) after each sequence.

    Raises:
        ConfigError: on a number that is too small.
        DataError: if `directory` holds something.
    """
    check_at_least("seed", seed, 0)
    for name, value in (("subjects", subjects), ("sequences", sequences), ("frames", frames)):
        check_at_least(name, value, 1)
    done, total = 0, len(GESTURES) * subjects * sequences
    with new_folder(directory) as folder:
        for subject in range(subjects):
            hand = make_subject(np.random.default_rng([seed, 0, subject]))
            for place, gesture in enumerate(GESTURES):
                for sequence in range(sequences):
                    rng = np.random.default_rng([seed, 1, subject, place, sequence])
                    target = folder / FRAMES_NAME / gesture / f"S{subject + 1}-{sequence + 1:02d}"
                    for number, depth_HW in enumerate(draw_sequence(hand, gesture, rng, frames=frames), start=1):
                        write_image(target / f"{number}.png", depth_HW)
                    done += 1
                    if progress:
                        progress(done, total)


def make_subject(rng: Generator) -> Subject:
    return Subject(
        palm=rng.uniform(6.5, 9),
        reach=rng.uniform(13, 17),
        spread=rng.uniform(0.25, 0.45),
        tilt=rng.uniform(-0.3, 0.3),
        fingers=int(rng.integers(2, 6)),
        depth=rng.uniform(-0.15, 0.15),
    )


def draw_sequence(subject: Subject, gesture: str, rng: Generator, *, frames: int) -> list[Depth]:
    """The frames of one gesture, uint16 `[64, 64]` each."""
    hold, ease = rng.uniform(0, 0.12, size=2), rng.uniform(-0.5, 0.5)
    x, y, near = rng.uniform(-4, 4), rng.uniform(-4, 4), rng.uniform(-0.1, 0.1) + subject.depth
    drawn = []
    for time in np.linspace(0, 1, frames).tolist():
        phase = min(max((time - hold[0]) / (1 - hold.sum()), 0.0), 1.0)
        right, up, far = GESTURES[gesture](phase + ease * sin(2 * pi * phase) / (2 * pi))
        place = SIDE / 2 + x + subject.reach * right, SIDE / 2 + y - subject.reach * up
        drawn.append(_draw_hand(subject, place, (NEAR + FAR) / 2 + (FAR - NEAR) / 2 * (0.8 * far + near), rng))
    return drawn


def _draw_hand(subject: Subject, place: tuple[float, float], depth: float, rng: Generator) -> Depth:
    """Palm, fingers and forearm; near ones larger, the forearm further back the further down it is."""
    x, y = place
    palm = subject.palm * (NEAR + FAR) / 2 / depth
    mask_HW = np.zeros((SIDE, SIDE), dtype=np.uint8)
    for finger in range(subject.fingers):
        angle = subject.tilt + subject.spread * (finger - (subject.fingers - 1) / 2)
        tip = x + 2.2 * palm * sin(angle), y - 2.2 * palm * cos(angle)
        _line(mask_HW, (x, y), tip, 0.4 * palm)
    _line(mask_HW, (x, y), (SIDE / 2, SIDE + palm), 1.1 * palm)
    _line(mask_HW, (x, y), (x, y), 2 * palm)
    rows_H1 = np.arange(SIDE)[:, None]
    noise_HW = 16 * rng.integers(-NOISE, NOISE + 1, size=mask_HW.shape)
    depth_HW = round(depth) + 160 * np.maximum(rows_H1 - round(y), -8) + noise_HW
    return np.where(mask_HW > 0, np.clip(depth_HW, 1, 65_535), 0).astype(np.uint16)


def _line(mask_HW: NDArray[np.uint8], start: tuple[float, float], end: tuple[float, float], width: float) -> None:
    one = 1 << FIXED_POINT_BITS
    (x, y), (to_x, to_y) = start, end
    points = (round(x * one), round(y * one)), (round(to_x * one), round(to_y * one))
    cv2.line(mask_HW, *points, 255, max(1, round(width)), cv2.LINE_8, FIXED_POINT_BITS)
