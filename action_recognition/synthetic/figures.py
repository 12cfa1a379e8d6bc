"""Stick-figure people: poses as functions of a phase, and how to draw them.

Lengths are in body heights, angles in radians. Points are complex numbers `x + iy` with x pointing where the person
faces and y up, so one pose serves both facing directions. A limb that hangs down has angle 0; to the front is positive.
"""

from cmath import exp
from collections.abc import Callable
from dataclasses import dataclass
from math import cos, pi, radians, sin

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
Color = tuple[int, int, int]
# OpenCV takes points in 1/16 pixel. Motion is smoother than in whole pixels, and the last bits of a float, which differ
# between processors, do not change the picture.
FIXED_POINT_BITS = 4


@dataclass(frozen=True, kw_only=True)
class Person:
    """Proportions, in body heights, and BGR colours of one person."""

    torso: float
    half_arm: float
    half_leg: float
    head_radius: float
    limb_width: float
    torso_width: float
    skin: Color
    shirt: Color
    trousers: Color
    cap: Color | None


@dataclass(frozen=True, kw_only=True)
class Pose:
    """Joint angles of one moment. Pairs are (near, far) limb; a limb is (upper part, bend of the lower part).

    `anchor` is the part of the body at the point `at`: `foot` (the near one), `ground` (hip in x, lower foot in y), or
    `centre` (between hip and shoulders). `turn` rotates the whole body; positive turns the head to the front.
    """

    lean: float
    arms: tuple[tuple[float, float], tuple[float, float]]
    legs: tuple[tuple[float, float], tuple[float, float]]
    anchor: str
    at: complex = 0j
    turn: float = 0.0


@dataclass(frozen=True)
class Joints:
    """Points of a posed body; `arms` are (near, far) of (elbow, hand), `legs` of (knee, ankle, toe)."""

    hip: complex
    shoulder: complex
    head: complex
    brow: complex
    nose: complex
    arms: tuple[tuple[complex, complex], ...]
    legs: tuple[tuple[complex, complex, complex], ...]


def _mix(phase: float, *values: float) -> float:
    """Piecewise linear through `values`, evenly spaced over phase 0-1."""
    return float(np.interp(phase, np.linspace(0, 1, len(values)), values))


def seat_pose(phase: float) -> Pose:
    """From standing (0) to sitting on a low seat (1)."""
    effort = sin(pi * phase)
    thigh, bend = radians(4 + 96 * phase), radians(6 + 122 * phase + 8 * effort)
    arm = radians(5 + 50 * phase + 20 * effort)
    return Pose(
        lean=radians(3 + 12 * phase + 14 * effort),
        arms=((arm, radians(15 + 30 * phase)), (arm + 0.15, radians(20 + 30 * phase))),
        legs=((thigh, bend), (thigh + 0.12, bend + 0.05)),
        anchor="foot",
    )


def throw_pose(phase: float) -> Pose:
    """From an arm cocked behind the head (0) through the release (0.5) to the follow-through (1)."""
    shoulder, elbow = radians(_mix(phase, 225, 120, 45)), radians(_mix(phase, 75, 8, 25))
    free = radians(_mix(phase, 85, 20, -30))
    return Pose(
        lean=radians(_mix(phase, -16, 10, 24)),
        arms=((shoulder, elbow), (free, radians(25))),
        legs=((radians(_mix(phase, -18, -24, -30)), radians(14)), (radians(_mix(phase, 12, 26, 30)), radians(18))),
        anchor="ground",
    )


def roll_pose(phase: float) -> Pose:
    """A dive roll: head over heels from a leap (0) to a crouch (1), most of a body height to the front."""
    tuck = min(1.0, 2.5 * phase)
    leg = (radians(5 + 90 * tuck), radians(5 + 90 * tuck))
    arm = (radians(140 - 55 * tuck), radians(5 + 20 * tuck))
    return Pose(
        lean=radians(32 * tuck),
        arms=(arm, (arm[0] - 0.2, arm[1])),
        legs=(leg, (leg[0] + 0.15, leg[1])),
        anchor="centre",
        at=complex(0.9 * (phase - 0.5), 0.8 - 0.5 * phase),
        turn=2 * pi * phase,
    )


def gait_pose(phase: float) -> Pose:
    """Walking, two steps per phase of 1."""

    def leg(cycle: float) -> tuple[float, float]:
        return radians(6 + 34 * sin(2 * pi * cycle)), radians(12 + 55 * max(0.0, cos(2 * pi * cycle)))

    def arm(cycle: float) -> tuple[float, float]:
        return radians(2 + 38 * sin(2 * pi * cycle)), radians(50)

    return Pose(
        lean=radians(9),
        arms=(arm(phase + 0.5), arm(phase)),
        legs=(leg(phase), leg(phase + 0.5)),
        anchor="ground",
    )


def idle_pose(phase: float) -> Pose:
    """A bystander swaying a little."""
    sway = radians(2 * sin(2 * pi * phase))
    return Pose(
        lean=sway,
        arms=((0.1 + sway, 0.2), (-0.1 + sway, 0.3)),
        legs=((0.06, 0.04), (-0.06, 0.04)),
        anchor="ground",
    )


POSES: dict[str, Callable[[float], Pose]] = {
    pose.__name__.removesuffix("_pose"): pose for pose in (seat_pose, throw_pose, roll_pose, gait_pose)
}


def _limb(angle: float) -> complex:
    return -1j * exp(1j * angle)


def joints_of(person: Person, pose: Pose) -> Joints:
    """The points of a person in a pose."""
    up = 1j * exp(-1j * pose.lean)
    shoulder = up * person.torso
    head = shoulder + up * (person.head_radius * 1.35)
    arms = []
    for angle, bend in pose.arms:
        elbow = shoulder * 0.93 + _limb(angle) * person.half_arm
        arms.append((elbow, elbow + _limb(angle + bend) * person.half_arm))
    legs = []
    for angle, bend in pose.legs:
        knee = _limb(angle) * person.half_leg
        ankle = knee + _limb(angle - bend) * person.half_leg
        legs.append((knee, ankle, ankle + _limb(angle - bend + pi / 2) * 0.08))
    turned = exp(-1j * pose.turn)
    if pose.anchor == "foot":
        origin = pose.at - legs[0][1]
    elif pose.anchor == "ground":
        origin = pose.at - 1j * min(ankle.imag for _, ankle, _ in legs)
    else:
        origin = pose.at - turned * shoulder / 2

    def place(point: complex) -> complex:
        return origin + turned * point

    return Joints(
        hip=place(0j),
        shoulder=place(shoulder),
        head=place(head),
        brow=place(head + up * (person.head_radius * 0.55)),
        nose=place(head - 1j * up * (person.head_radius * 1.3)),
        arms=tuple((place(elbow), place(hand)) for elbow, hand in arms),
        legs=tuple((place(knee), place(ankle), place(toe)) for knee, ankle, toe in legs),
    )


@dataclass(frozen=True, kw_only=True)
class View:
    """Where a body is in the picture: its point 0 at pixel (`x`, `y`), `height` pixels tall.

    `facing` is 1 to the right and -1 to the left.
    """

    x: float
    y: float
    height: float
    facing: int

    def point(self, point: complex) -> tuple[int, int]:
        return fixed_point(self.x + self.facing * self.height * point.real, self.y - self.height * point.imag)

    def line(self, image: Image, start: complex, end: complex, color: Color, width: float) -> None:
        thickness = max(1, round(width * self.height))
        cv2.line(image, self.point(start), self.point(end), color, thickness, cv2.LINE_AA, FIXED_POINT_BITS)

    def disc(self, image: Image, center: complex, radius: float, color: Color) -> None:
        fixed_radius = round(radius * self.height * (1 << FIXED_POINT_BITS))
        cv2.circle(image, self.point(center), fixed_radius, color, cv2.FILLED, cv2.LINE_AA, FIXED_POINT_BITS)


def fixed_point(x: float, y: float) -> tuple[int, int]:
    """Picture coordinates in 1/16 pixel."""
    one = 1 << FIXED_POINT_BITS
    return round(x * one), round(y * one)


def shaded(color: Color, percent: int) -> Color:
    """A colour at `percent` of its brightness."""
    blue, green, red = (min(255, channel * percent // 100) for channel in color)
    return blue, green, red


def draw_person(image: Image, person: Person, joints: Joints, view: View) -> None:
    """Draw on `image`, BGR uint8 `[H, W, 3]`: far limbs first and darker, to distinguish them from near ones."""

    def arm(index: int, percent: int) -> None:
        elbow, hand = joints.arms[index]
        root = joints.hip + (joints.shoulder - joints.hip) * 0.93
        view.line(image, root, elbow, shaded(person.shirt, percent), person.limb_width)
        view.line(image, elbow, hand, shaded(person.skin, percent), person.limb_width * 0.85)

    def leg(index: int, percent: int) -> None:
        knee, ankle, toe = joints.legs[index]
        color = shaded(person.trousers, percent)
        view.line(image, joints.hip, knee, color, person.limb_width * 1.15)
        view.line(image, knee, ankle, color, person.limb_width)
        view.line(image, ankle, toe, shaded((40, 40, 40), percent), person.limb_width * 0.8)

    arm(1, 65)
    leg(1, 65)
    leg(0, 100)
    view.line(image, joints.hip, joints.shoulder, person.shirt, person.torso_width)
    view.line(image, joints.head, joints.nose, person.skin, person.limb_width * 0.7)
    view.disc(image, joints.head, person.head_radius, person.skin)
    if person.cap is not None:
        brim = joints.brow + (joints.nose - joints.head) * 1.2
        view.line(image, joints.brow - (joints.nose - joints.head) * 0.5, brim, person.cap, person.limb_width * 0.8)
    arm(0, 90)
