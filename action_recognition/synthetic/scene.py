"""One synthetic clip: a scene shared by the clips of a source video, the motion of an action, and its frames.

The classes come in pairs of the same poses, so that a single frame shows the pair but not the class. Three pairs are
one motion forwards and backwards; walking and running are one gait at two cadences. Everything else (place, size, speed
of travel, camera, distractors) is random and independent of the class.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import pi

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from action_recognition.synthetic.figures import (
    FIXED_POINT_BITS,
    POSES,
    Color,
    Image,
    Person,
    View,
    draw_person,
    idle_pose,
    joints_of,
    seat_pose,
    shaded,
    throw_pose,
)

WIDTH, HEIGHT, FPS = 128, 96, 30.0
MARGIN = 12  # pixels of background around the picture, for a camera that moves
NOISE = {"goo": 2, "med": 5, "bad": 10}  # the largest sensor noise, on the 0-255 scale
RUN_CADENCE = 2.6  # steps of a run per step of a walk


@dataclass(frozen=True)
class Action:
    """`pair` names the poses; one action of each pair is `changed`: played backwards, or at the running cadence."""

    label: str
    pair: str
    changed: bool


ACTIONS = (
    Action("sit", "seat", False),
    Action("stand", "seat", True),
    Action("throw", "throw", False),
    Action("catch", "throw", True),
    Action("somersault", "roll", False),
    Action("flic_flac", "roll", True),
    Action("walk", "gait", False),
    Action("run", "gait", True),
)
PAIRS = ("seat", "throw", "roll", "gait")

# Bright, on the dark backgrounds of `make_scene`, so that a motion always moves light over dark.
_SHIRTS: tuple[Color, ...] = (
    (70, 70, 240), (240, 150, 70), (90, 210, 110), (40, 200, 240), (220, 110, 220), (240, 240, 240), (50, 140, 250),
    (225, 215, 80), (190, 150, 255), (150, 240, 200),
)  # fmt: skip
_TROUSERS: tuple[Color, ...] = (
    (200, 150, 120), (170, 190, 210), (215, 215, 210), (130, 200, 160), (110, 160, 210), (210, 150, 190),
)  # fmt: skip
_SKINS: tuple[Color, ...] = ((180, 205, 240), (140, 175, 225), (95, 140, 200), (75, 115, 175))


@dataclass(frozen=True, kw_only=True)
class Scene:
    """What the clips of one source video share. `background` is BGR uint8 `[H + 2 MARGIN, W + 2 MARGIN, 3]`."""

    person: Person
    bystander: Person
    background: Image
    seat_color: Color
    seat_back: float
    ball_color: Color
    ground: float
    light_percent: int
    quality: str


@dataclass(frozen=True, kw_only=True)
class Blob:
    """A bright spot at `place` (pixels, x + iy) that drifts by `drift` per frame."""

    place: complex
    drift: complex
    radius: float
    color: Color


@dataclass(frozen=True, kw_only=True)
class Clip:
    """What one clip has of its own. `shake_T2` is the camera's offset in pixels."""

    pair: str
    phase_T: NDArray[np.float64]
    shake_T2: NDArray[np.float64]
    flicker_T: NDArray[np.int16]
    facing: int
    height: float
    x: float
    travel: float
    ball_reach: float
    ball_rise: float
    bystander_x: float | None
    blobs: tuple[Blob, ...]
    noise_seed: int

    @property
    def frames(self) -> int:
        return len(self.phase_T)

    def tags(self, quality: str) -> str:
        """HMDB51's tags: visible body, camera, people, view, quality."""
        camera = "cm" if self.shake_T2.any() else "nm"
        people = "np1" if self.bystander_x is None else "np2"
        return f"f_{camera}_{people}_{'ri' if self.facing > 0 else 'le'}_{quality}"


def motion_phase(action: Action, rng: Generator, *, frames: int) -> NDArray[np.float64]:
    """The pose phase of every frame, `[frames]`.

    It goes from 0 to 1 with a short hold at both ends, or from 1 to 0 for the changed action of a pair; for the gait it
    counts cycles. Both actions of a pair make the same draws: from one `rng` state, one is the reverse of the other.
    """
    hold_first, hold_last = (int(n) for n in rng.integers(0, 6, size=2))
    ease = rng.uniform(-0.6, 0.6)
    start, walk_period = rng.uniform(0, 1), rng.uniform(35, 42)
    time = np.arange(frames, dtype=np.float64)
    if action.pair == "gait":
        return start + time * ((RUN_CADENCE if action.changed else 1.0) / walk_period)
    course = np.clip((time - hold_first) / (frames - 1 - hold_first - hold_last), 0, 1)
    course += ease * np.sin(2 * pi * course) / (2 * pi)
    return course[::-1].copy() if action.changed else course


def make_scene(rng: Generator) -> Scene:
    base = _color(rng, 35, 90)
    ground = rng.uniform(83, 88)
    return Scene(
        person=_person(rng, base),
        bystander=_person(rng, base),
        background=_background(rng, base, horizon=int(MARGIN + ground - rng.integers(3, 22))),
        seat_color=_contrasting(rng, _TROUSERS, base),
        seat_back=float(rng.choice([0.0, 0.25, 0.4])),
        ball_color=_contrasting(rng, _SHIRTS, base),
        ground=ground,
        light_percent=int(rng.integers(80, 116)),
        quality=("goo", "med", "med", "bad")[int(rng.integers(4))],
    )


def make_clip(action: Action, rng: Generator) -> Clip:
    """Draw one clip; only `phase_T` depends on which action of the pair it is."""
    # Odd, so that the middle frame is the same forwards and backwards.
    frames = 37 + 2 * int(rng.integers(0, 6))
    facing = 1 if rng.random() < 0.5 else -1
    jitter = rng.uniform(-1, 1)
    offset = {"seat": 18 * jitter, "throw": -facing * 20 + 6 * jitter, "roll": 6 * jitter, "gait": 14 * jitter}
    travel = rng.uniform(18, 40)
    return Clip(
        pair=action.pair,
        phase_T=motion_phase(action, rng, frames=frames),
        shake_T2=_shake(rng, frames) if rng.random() < 0.5 else np.zeros((frames, 2)),
        flicker_T=_flicker(rng, frames),
        facing=facing,
        height=rng.uniform(54, 66),
        x=WIDTH / 2 + offset[action.pair],
        travel=travel if action.pair == "gait" else 0.0,
        ball_reach=rng.uniform(0.8, 1.1),
        ball_rise=rng.uniform(0, 0.3),
        bystander_x=WIDTH / 2 + rng.choice([-1, 1]) * rng.uniform(36, 54) if rng.random() < 0.25 else None,
        blobs=tuple(_blob(rng) for _ in range(int(rng.choice([0, 0, 1, 2])))),
        noise_seed=int(rng.integers(2**32)),
    )


def render_frames(scene: Scene, clip: Clip) -> Iterator[Image]:
    """The frames of a clip in order, BGR uint8 `[HEIGHT, WIDTH, 3]`."""
    amplitude = NOISE[scene.quality]
    noise_rng = np.random.Generator(np.random.PCG64(clip.noise_seed))
    noise_THW = noise_rng.integers(0, 2 * amplitude + 1, size=(clip.frames, HEIGHT, WIDTH), dtype=np.uint8)
    levels = np.arange(256) * scene.light_percent // 100 - amplitude
    for index, noise_HW in enumerate(noise_THW):
        lit = cv2.LUT(draw_frame(scene, clip, index), np.clip(levels + clip.flicker_T[index], 0, 255).astype(np.uint8))
        yield np.asarray(cv2.add(lit, cv2.merge([noise_HW, noise_HW, noise_HW])), dtype=np.uint8)


def draw_frame(scene: Scene, clip: Clip, index: int) -> Image:
    """Frame `index` before light and noise."""
    shake_x, shake_y = clip.shake_T2[index].tolist()
    frame = _shifted_background(scene.background, shake_x, shake_y)
    view = _view_of_figure(scene, clip, index)
    if clip.pair == "seat":
        _draw_seat(frame, scene, view)
    if clip.bystander_x is not None:
        beside = View(x=clip.bystander_x - shake_x, y=view.y - 3, height=clip.height * 0.9, facing=-clip.facing)
        draw_person(frame, scene.bystander, joints_of(scene.bystander, idle_pose(index / 40)), beside)
    for blob in clip.blobs:
        place = blob.place + blob.drift * index - complex(shake_x, shake_y)
        View(x=place.real, y=place.imag, height=1, facing=1).disc(frame, 0j, blob.radius, blob.color)
    _draw_figure(frame, scene, clip, index)
    return frame


def figure_box(scene: Scene, clip: Clip, index: int) -> tuple[int, int, int, int]:
    """Left, top, right and bottom (both past the last pixel) of whoever acts in frame `index`, and of the ball."""
    alone: Image = np.zeros((HEIGHT, WIDTH, 3), dtype=np.uint8)
    _draw_figure(alone, scene, clip, index)
    rows, columns = (np.flatnonzero(alone.any(axis=axes)) for axes in ((1, 2), (0, 2)))
    if not len(rows):  # wholly outside of the picture
        return (0, 0, 0, 0)
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def _view_of_figure(scene: Scene, clip: Clip, index: int) -> View:
    shake_x, shake_y = clip.shake_T2[index].tolist()
    moved = clip.facing * clip.travel * (index / (clip.frames - 1) - 0.5)
    return View(x=clip.x + moved - shake_x, y=scene.ground - shake_y, height=clip.height, facing=clip.facing)


def _draw_figure(frame: Image, scene: Scene, clip: Clip, index: int) -> None:
    """Draw whoever acts, and the ball."""
    view, phase = _view_of_figure(scene, clip, index), float(clip.phase_T[index])
    joints = joints_of(scene.person, POSES[clip.pair](phase))
    draw_person(frame, scene.person, joints, view)
    if clip.pair == "throw":
        view.disc(frame, _ball_place(scene.person, clip, phase, joints.arms[0][1]), 0.09, scene.ball_color)


def _ball_place(person: Person, clip: Clip, phase: float, hand: complex) -> complex:
    """In the near hand until the release at 0.5, then flying to the front."""
    if phase <= 0.5:
        return hand
    release = joints_of(person, throw_pose(0.5)).arms[0][1]
    return release + clip.ball_reach * (2 * (phase - 0.5)) * complex(0.8, 0.3 + clip.ball_rise)


def _draw_seat(frame: Image, scene: Scene, view: View) -> None:
    """Draw a low seat where the hip comes down."""
    seated = joints_of(scene.person, seat_pose(1.0))
    hip, top = seated.hip.real, seated.hip.imag - scene.person.torso_width / 2
    view.line(frame, complex(hip - 0.12, top - 0.03), complex(hip + 0.13, top - 0.03), scene.seat_color, 0.06)
    for leg in (hip - 0.11, hip + 0.11):
        view.line(frame, complex(leg, top), complex(leg, 0), shaded(scene.seat_color, 75), 0.04)
    if scene.seat_back:
        view.line(frame, complex(hip - 0.15, top), complex(hip - 0.19, top + scene.seat_back), scene.seat_color, 0.05)


def _shifted_background(background: Image, shift_x: float, shift_y: float) -> Image:
    """The part of the background in the picture: bilinear in steps of 1/16 pixel, with integer arithmetic."""
    one = 1 << FIXED_POINT_BITS
    left, part_x = divmod(round((MARGIN + shift_x) * one), one)
    top, part_y = divmod(round((MARGIN + shift_y) * one), one)
    window: NDArray[np.uint16] = background[top : top + HEIGHT + 1, left : left + WIDTH + 1].astype(np.uint16)
    across: NDArray[np.uint16] = window[:, :-1] * (one - part_x) + window[:, 1:] * part_x
    mixed: NDArray[np.uint16] = across[:-1] * (one - part_y) + across[1:] * part_y
    return (mixed >> 2 * FIXED_POINT_BITS).astype(np.uint8)


def _background(rng: Generator, base: Color, *, horizon: int) -> Image:
    """A gradient, a floor, static shapes and texture."""
    height, width = HEIGHT + 2 * MARGIN, WIDTH + 2 * MARGIN
    other = _near(rng, base, 30)
    weight = (np.arange(height) * 256 // height)[:, None, None]
    wall = np.array(base) * (256 - weight) // 256 + np.array(other) * weight // 256
    image: Image = np.ascontiguousarray(np.broadcast_to(wall, (height, width, 3)).astype(np.uint8))
    for _ in range(int(rng.integers(2, 6))):
        x, y = int(rng.integers(width)), int(rng.integers(horizon))
        size_x, size_y = (int(n) for n in rng.integers(5, 30, size=2))
        color = _near(rng, base, 40)
        if rng.random() < 0.6:
            cv2.rectangle(image, (x, y), (x + size_x, y + size_y), color, cv2.FILLED)
        else:
            cv2.circle(image, (x, y), size_x // 2 + 2, color, cv2.FILLED, cv2.LINE_AA)
    cv2.rectangle(image, (0, horizon), (width, height), _near(rng, base, 45), cv2.FILLED)
    coarse = rng.integers(-6, 7, size=(height // 8, width // 8, 1)).repeat(8, axis=0).repeat(8, axis=1)
    fine = rng.integers(-3, 4, size=(height, width, 1))
    return np.clip(image + coarse + fine, 0, 255).astype(np.uint8)


def _person(rng: Generator, background: Color) -> Person:
    leg, torso = rng.uniform(0.46, 0.53), rng.uniform(0.28, 0.33)
    arm = rng.uniform(0.30, 0.36)
    return Person(
        torso=torso,
        half_arm=arm * 0.5,
        half_leg=leg * 0.5,
        head_radius=rng.uniform(0.075, 0.095),
        limb_width=rng.uniform(0.055, 0.085),
        torso_width=rng.uniform(0.12, 0.18),
        skin=_contrasting(rng, _SKINS, background),
        shirt=_contrasting(rng, _SHIRTS, background),
        trousers=_contrasting(rng, _TROUSERS, background),
        cap=_contrasting(rng, _SHIRTS, background) if rng.random() < 0.6 else None,
    )


def _shake(rng: Generator, frames: int) -> NDArray[np.float64]:
    """A hand-held camera: two slow swings and a pan, within `MARGIN`."""
    time = np.arange(frames)[:, None]
    period, amplitude = rng.uniform(10, 30, size=(2, 2)), rng.uniform(0.5, 1.5, size=(2, 2))
    start, pan = rng.uniform(0, 2 * pi, size=(2, 2)), rng.uniform(-4, 4, size=2)
    swings = [amplitude[n] * np.sin(2 * pi * time / period[n] + start[n]) for n in range(2)]
    shake_T2: NDArray[np.float64] = swings[0] + swings[1] + pan * (time / (frames - 1) - 0.5)
    return shake_T2


def _flicker(rng: Generator, frames: int) -> NDArray[np.int16]:
    wave = rng.uniform(0, 6) * np.sin(2 * pi * (np.arange(frames) / rng.uniform(20, 80) + rng.uniform(0, 1)))
    return np.rint(wave).astype(np.int16)


def _blob(rng: Generator) -> Blob:
    return Blob(
        place=complex(rng.uniform(0, WIDTH), rng.uniform(5, 75)),
        drift=complex(rng.uniform(-1.2, 1.2), rng.uniform(-0.6, 0.6)),
        radius=rng.uniform(1.5, 3.5),
        color=_color(rng, 200, 256),
    )


def _color(rng: Generator, low: int, high: int) -> Color:
    return tuple(rng.integers(low, high, size=3).tolist())


def _near(rng: Generator, color: Color, distance: int) -> Color:
    return tuple(np.clip(color + rng.integers(-distance, distance, size=3), 0, 255).tolist())


def _contrasting(rng: Generator, palette: tuple[Color, ...], background: Color) -> Color:
    """A colour of the palette that is visible on `background`, varied a little."""
    distances = np.abs(np.subtract(palette, background)).sum(axis=1)
    visible = np.flatnonzero(distances > 160) if distances.max() > 160 else [distances.argmax()]
    return _near(rng, palette[visible[int(rng.integers(len(visible)))]], 15)
