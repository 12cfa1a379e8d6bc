"""Synthetic stills in the layout of Kaggle's Human Action Recognition: one stick figure per image, in six poses.

The same seed gives the same pictures. Scenes, people, sizes and places are independent of the class.
"""

from collections.abc import Callable
from dataclasses import replace
from math import radians
from pathlib import Path

import cv2
import numpy as np
from numpy.random import Generator

from action_recognition.errors import check_at_least
from action_recognition.synthetic import figures
from action_recognition.synthetic.figures import Image, Pose, View, draw_person, idle_pose, joints_of
from action_recognition.synthetic.scene import MARGIN, NOISE, WIDTH, make_scene
from action_recognition.utils.folders import new_folder
from action_recognition.utils.progress import silent

SIDE = 96  # pixels; as high as the demo's scenes
JPEG_QUALITY = 90
LABELS_NAME, IMAGES_NAME = "Training_set.csv", "train"


def _cheering(phase: float) -> Pose:
    """Both arms up."""
    arm = radians(150 + 25 * phase)
    return replace(idle_pose(phase), arms=((arm, radians(12)), (-arm, radians(-12))))


# From a number in 0-1 that varies the pose within its class.
POSES: dict[str, Callable[[float], Pose]] = {
    "cheering": _cheering,
    "running": lambda phase: replace(figures.gait_pose(0.2 + 0.1 * phase), lean=radians(18)),
    "sitting": lambda phase: figures.seat_pose(0.85 + 0.15 * phase),
    "somersault": lambda phase: figures.roll_pose(0.4 + 0.3 * phase),
    "standing": idle_pose,
    "throwing": lambda phase: figures.throw_pose(0.35 * phase),
}


def write_image(path: Path, image: np.ndarray, *settings: int) -> None:
    """Encode by the suffix of `path` and write; unlike `cv2.imwrite`, this raises an error if the disk is full."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _, encoded = cv2.imencode(path.suffix, image, settings)
    path.write_bytes(encoded.tobytes())


def render_stills_set(
    directory: Path,
    *,
    seed: int = 2024,
    images_per_class: int = 24,
    progress: Callable[[int, int], None] = silent,
) -> None:
    """Write `directory/train/Image_<n>.jpg`, in random order, and `directory/Training_set.csv`.

    Args:
        progress: called with (done, total) after each image.

    Raises:
        ConfigError: `seed` is less than 0, or `images_per_class` less than 1.
        DataError: `directory` is not empty.
    """
    check_at_least("seed", seed, 0)
    check_at_least("images_per_class", images_per_class, 1)
    labels = [label for label in POSES for _ in range(images_per_class)]
    order = np.random.default_rng([seed, 0]).permutation(len(labels))
    with new_folder(directory) as folder:
        rows = ["filename,label"]
        for number, place in enumerate(order.tolist(), start=1):
            name = f"Image_{number}.jpg"
            image = draw_still(labels[place], np.random.default_rng([seed, 1, place]))
            write_image(folder / IMAGES_NAME / name, image, cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY)
            rows.append(f"{name},{labels[place]}")
            progress(number, len(labels))
        (folder / LABELS_NAME).write_text("\n".join(rows) + "\n", encoding="ascii", newline="\n")


def draw_still(label: str, rng: Generator) -> Image:
    """One picture of a class of `POSES`, BGR uint8 `[96, 96, 3]`."""
    scene = make_scene(rng)
    left = MARGIN + (WIDTH - SIDE) // 2
    image = np.ascontiguousarray(scene.background[MARGIN : MARGIN + SIDE, left : left + SIDE])
    view = View(
        x=SIDE / 2 + rng.uniform(-10, 10),
        y=scene.ground,
        height=rng.uniform(52, 64),
        facing=1 if rng.random() < 0.5 else -1,
    )
    draw_person(image, scene.person, joints_of(scene.person, POSES[label](float(rng.random()))), view)
    amplitude = NOISE[scene.quality]
    noise_HW = rng.integers(-amplitude, amplitude + 1, size=(SIDE, SIDE, 1))
    return np.clip(image.astype(np.int64) * scene.light_percent // 100 + noise_HW, 0, 255).astype(np.uint8)
