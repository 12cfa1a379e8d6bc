"""Predictions made by hand: one window for each span of frames, each with its likeliest class."""

import numpy as np

from action_recognition.inference.prediction import Prediction
from action_recognition.inference.temporal.segments import Window

LONG_LABEL = "a label much longer than any video is wide, to be cut short"


def prediction_of(
    spans: list[tuple[int, int]],
    best: list[int],
    *,
    frames: int,
    fps: float = 30.0,
    names: tuple[str, ...] = ("walk", "run", "wave", LONG_LABEL),
) -> Prediction:
    """Times are those of 30 frames/s; `best` has 0.7, whatever the other classes have."""
    windows = tuple(
        Window(
            first_frame=first,
            end_frame=end,
            start_seconds=first / 30,
            end_seconds=end / 30,
            probabilities=np.where(np.arange(len(names)) == label, 0.7, 0.1),
            class_names=names,
        )
        for (first, end), label in zip(spans, best, strict=True)
    )
    return Prediction(
        input="x",
        frames=frames,
        fps=fps,
        duration_seconds=frames / 30,
        windows=windows,
        probabilities=np.mean([window.probabilities for window in windows], axis=0),
        class_names=names,
    )
