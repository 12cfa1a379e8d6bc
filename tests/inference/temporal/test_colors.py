"""Colours of labels."""

import numpy as np

from action_recognition.inference.temporal.colors import label_color


def test_neighbouring_labels_look_different() -> None:
    colours = np.array([label_color(label) for label in range(51)])
    distances = np.abs(colours[1:] - colours[:-1]).max(axis=1)
    assert distances.min() > 60
    assert (colours.max(axis=1) > 200).all()
