"""What several test files need beside fixtures."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from action_recognition.cli.command import OVERRIDE
from action_recognition.config import key_of

ROOT = Path(__file__).resolve().parents[2]
TINY_MODEL = ["model.args.widths=[4,4,4]", "clip.frames=4", "clip.short_side=36", "clip.size=32"]


def write_video(path: Path, frames_THWC: np.ndarray, *, fps: float = 30.0) -> Path:
    """Write RGB uint8 frames as Motion JPEG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    height, width = frames_THWC.shape[1:3]
    writer = cv2.VideoWriter(str(path), cv2.CAP_OPENCV_MJPEG, cv2.VideoWriter.fourcc(*"MJPG"), fps, (width, height))
    assert writer.isOpened()
    for frame in frames_THWC:
        writer.write(frame[..., ::-1])
    writer.release()
    return path


def moving_square(frames: int, *, direction: int = 1, seed: int = 0, height: int = 48, width: int = 64) -> np.ndarray:
    """A bright square on noise that moves right (1) or left (-1): only motion tells which."""
    generator = np.random.default_rng(seed)
    video = generator.integers(0, 60, size=(1, height, width, 3), dtype=np.uint8).repeat(frames, axis=0)
    top = int(generator.integers(4, height - 16))
    first = int(generator.integers(0, width))
    for number in range(frames):
        columns = (first + direction * 3 * number + np.arange(12)) % width
        video[number, top : top + 12, columns] = (230, 200, 40)
    return video


def latest_of_each_key(words: Sequence[str]) -> list[str]:
    """Keep only the last override of each key: tests vary shared overrides, and the command line refuses repeats."""
    is_override = [OVERRIDE.match(word) for word in words]
    last = {key_of(word): number for number, word in enumerate(words) if is_override[number]}
    return [word for number, word in enumerate(words) if not is_override[number] or last[key_of(word)] == number]


def files_in(folder: Path) -> dict[str, bytes]:
    """Path and content of every file below a folder, without the receipts of downloads."""
    receipts = (".unpacked.json", ".fetched.json")
    paths = [path for path in folder.rglob("*") if path.is_file() and path.name not in receipts]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}
