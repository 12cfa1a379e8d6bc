"""Histograms of activations by layer and epoch, as a sheet of small pictures."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from action_recognition.reports.figures import INK, ORANGE, save_figure
from action_recognition.utils.text import printable, shortened

COLUMNS = 4
MOST_LAYERS = 60
LONGEST_NAME = 34
# Inches.
WIDTH, HEIGHT = 2.9, 1.9
# Shares of a layer's values; what is rarer is not drawn.
RAREST = 1e-4
# Magnitudes of ticks: the first of these with few enough in a picture.
TICKS = ((0.1, 1, 10, 100, 1000, 10_000), (0.1, 10, 1000), (1, 1000))
MOST_TICKS = 7


def plot_activations(
    layers: Sequence[str],
    epochs: Sequence[int],
    counts_ELB: NDArray[np.int64],
    edges: NDArray[np.float64],
    path: Path,
    *,
    title: str,
    warnings: Mapping[str, str],
) -> None:
    """One picture a layer: epochs to the right, values upwards, and how often they occur as darkness.

    Of very many layers those with a warning and an even choice of the others are shown.

    Args:
        epochs: counted from 0.
        counts_ELB: values of each epoch and layer by bins.
        edges: of the bins, symmetric about 0.
        warnings: words on layers, by name; they are marked.
    """
    shown = chosen_layers(layers, warnings)
    rows = math.ceil(len(shown) / COLUMNS)
    size = (WIDTH * COLUMNS, HEIGHT * rows + 1.2)
    figure, axes = plt.subplots(rows, COLUMNS, figsize=size, layout="constrained", squeeze=False)
    for axis in axes.flat[len(shown) :]:
        axis.set_axis_off()
    for axis, place in zip(axes.flat, shown, strict=False):
        share_EB = counts_ELB[:, place] / np.maximum(counts_ELB[:, place].sum(axis=1, keepdims=True), 1)
        image = _draw(axis, epochs, share_EB, edges)
        name = layers[place]
        _name(axis, name, warnings.get(name))
    figure.colorbar(image, ax=axes, location="bottom", label="share of a layer's values", shrink=0.4, aspect=40,
                    pad=0.01)  # fmt: skip
    left_out = f", {len(shown)} of {len(layers)} layers" if len(shown) < len(layers) else ""
    wrong = f"{len(warnings)} of {len(layers)} layers are dead, explode or vanish" if warnings else "no warnings"
    figure.suptitle(f"{title}\nactivations by epoch{left_out}: {wrong}", fontsize=12, parse_math=False)
    save_figure(figure, path)


def chosen_layers(layers: Sequence[str], warnings: Mapping[str, str]) -> list[int]:
    """Places of up to `MOST_LAYERS` layers in their order: those with warnings first of all."""
    wrong = [place for place, name in enumerate(layers) if name in warnings][:MOST_LAYERS]
    others = [place for place, name in enumerate(layers) if name not in warnings]
    room = min(len(others), MOST_LAYERS - len(wrong))
    spread = {others[number * len(others) // room] for number in range(room)}
    return sorted({*wrong, *spread})


def _draw(axis: Axes, epochs: Sequence[int], share_EB: NDArray[np.float64], edges: NDArray[np.float64]) -> object:
    # Bins are drawn equally high, so that those about zero can be seen.
    places = np.arange(len(edges))
    first = np.array(epochs, dtype=float) + 0.5
    sides = np.append(first, first[-1] + 1)
    image = axis.pcolormesh(
        sides,
        places,
        np.where(share_EB > 0, share_EB, np.nan).T,
        norm=LogNorm(RAREST, 1),
        cmap="Blues",
        rasterized=True,
    )
    used = np.flatnonzero(share_EB.max(axis=0) >= RAREST)
    low, high = (used[0], used[-1] + 1) if len(used) else (0, len(places) - 1)
    axis.set_ylim(low - 1, high + 1)
    axis.set_yticks(*_ticks(edges, low - 1, high + 1))
    axis.tick_params(labelsize=8)
    axis.xaxis.set_major_locator(MaxNLocator(nbins=5, integer=True, min_n_ticks=1))
    return image


def _ticks(edges: NDArray[np.float64], low: float, high: float) -> tuple[list[float], list[str]]:
    """Places between `low` and `high`, and their values as text."""
    for magnitudes in TICKS:
        values = np.array([*(-value for value in reversed(magnitudes)), 0, *magnitudes])
        places = np.interp(values, edges, range(len(edges)))
        inside = (low <= places) & (places <= high)
        if inside.sum() <= MOST_TICKS:
            break
    return list(places[inside]), [f"{value:g}" for value in values[inside]]


def _name(axis: Axes, name: str, warning: str | None) -> None:
    text = shortened(printable(name), LONGEST_NAME)
    if warning:
        text += f"\n{shortened(printable(warning), LONGEST_NAME + 6)}"
    axis.set_title(text, fontsize=9, loc="left", color=ORANGE if warning else INK, parse_math=False)
