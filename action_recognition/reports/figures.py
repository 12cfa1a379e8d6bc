"""Saving a matplotlib figure, the same way for every plot of the project."""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")  # needs no display

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from action_recognition.utils.files import replacing

DPI = 110


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure to `path` in one step, in the format of its suffix, and close it; nothing is cut off."""
    try:
        with replacing(path) as partial:
            figure.savefig(partial, dpi=DPI, bbox_inches="tight", pad_inches=0.1)
    finally:
        plt.close(figure)
