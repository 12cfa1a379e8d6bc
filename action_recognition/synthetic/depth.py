"""Synthetic depth sequences as 16-bit PNG: a hand without background, in six gestures that differ only in motion.

As from a depth camera, larger values are further away, and 0 is out of range. Subjects differ in the size of their
hand, the spread of their fingers, and in where and how fast they move.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from math import cos, pi, sin
from pathlib import Path

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from action_recognition.errors import check_at_least
from action_recognition.synthetic.figures import FIXED_POINT_BITS, fixed_point
from action_recognition.synthetic.stills import write_image
from action_recognition.utils.folders import new_folder
from action_recognition.utils.progress import silent

SIDE = 64  # pixels
FRAMES_NAME = "frames"
NEAR, FAR = 22_000, 44_000  # of the hand over a push
NOISE = 12  # the largest sensor noise, in steps of 16
Depth = NDArray[np.uint16]


@dataclass(frozen=True, kw_only=True)
class Subject:
    """Lengths in pixels, angles in radians, depth as a share of its range; `fingers` counts stretched ones."""

    palm: float
    reach: float
    spread: float
    tilt: float
    fingers: int
    depth: float


# From a phase in 0-1 to the palm's place: right and up, in reaches of the subject, and depth from near (-1) to far (1).
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
    progress: Callable[[int, int], None] = silent,
) -> None:
    """Write `directory/frames/<gesture>/S<subject>-<sequence>/<frame>.png`; the same seed gives the same values.

    Args:
        sequences: per subject and gesture.
        frames: per sequence.
        progress: called with (done, total) after each sequence.

    Raises:
        ConfigError: `seed` is less than 0, or another number less than 1.
        DataError: `directory` is not empty.
    """
    check_at_least("seed", seed, 0)
    for name, value in (("subjects", subjects), ("sequences", sequences), ("frames", frames)):
        check_at_least(name, value, 1)
    planned = list(product(range(subjects), enumerate(GESTURES), range(sequences)))
    with new_folder(directory) as folder:
        for done, (subject, (place, gesture), sequence) in enumerate(planned, start=1):
            hand = make_subject(np.random.default_rng([seed, 0, subject]))
            rng = np.random.default_rng([seed, 1, subject, place, sequence])
            target = folder / FRAMES_NAME / gesture / f"S{subject + 1}-{sequence + 1:02d}"
            for number, depth_HW in enumerate(draw_sequence(hand, gesture, rng, frames=frames), start=1):
                write_image(target / f"{number}.png", depth_HW)
            progress(done, len(planned))


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
    """The frames of one gesture, each uint16 `[64, 64]`."""
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
    """Draw palm, fingers and forearm: larger when near; the forearm recedes towards the lower edge."""
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
    points = fixed_point(*start), fixed_point(*end)
    cv2.line(mask_HW, *points, 255, max(1, round(width)), cv2.LINE_8, FIXED_POINT_BITS)
