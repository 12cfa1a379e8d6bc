"""A model simple enough to check by eye, and videos of plain colours for it."""

import numpy as np
from helpers.tiny_models import tiny_contract

from action_recognition.contract import ClipContract

RED, GREEN, BLUE = (200, 30, 30), (30, 200, 30), (30, 30, 200)


class ColourBackend:
    """Logits are the mean red, green and blue, over ten.

    Args:
        keeps_clips: whether to remember what it was given, in `batches`.
    """

    device = "cpu"

    def __init__(self, *, keeps_clips: bool = True, **changes: object) -> None:
        self.contract: ClipContract = tiny_contract(class_names=("red", "green", "blue"), **changes)
        self.batches: list[np.ndarray] = []
        self._keeps_clips = keeps_clips

    def __call__(self, clip_BCTHW: np.ndarray) -> np.ndarray:
        if self._keeps_clips:
            self.batches.append(clip_BCTHW)
        return (clip_BCTHW.mean(axis=(2, 3, 4)) / 10).astype(np.float32)


def coloured(*runs: tuple[int, tuple[int, int, int]]) -> np.ndarray:
    """`count` frames of each colour, one after the other."""
    return np.concatenate([np.full((count, 40, 60, 3), colour, dtype=np.uint8) for count, colour in runs])
