"""Histograms of activations per layer over all windows of an input, with warnings for what is dead or explodes."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from action_recognition.explain.example import Example, windows_of
from action_recognition.explain.map_pictures import save_svg
from action_recognition.models.activation_stats import ActivationStats, bin_edges
from action_recognition.models.layers import Layer, captured
from action_recognition.reports.figures import BLUE, INK, ORANGE, SOFT, plt, save_figure
from action_recognition.reports.page import Block, Bullets, Heading, Paragraph, Plot, Table
from action_recognition.utils.text import printable, shortened

MOST_WINDOWS = 8
COLUMNS = 3
LONGEST_NAME = 40
# Of the values that are not zero, what may lie outside of a plot at either end.
OUTSIDE = 0.001
ABOUT = (
    "How often a layer puts out which value, over {windows}. Exact zeros, which a ReLU makes many of, are left out of "
    "the bars and counted beside the name. A unit is a channel; it is silent if it is 0 everywhere in this input."
)


def section(example: Example, folder: Path) -> list[Block]:
    """A histogram and a row of a table for each layer."""
    layers = [layer for layer in example.explained.chosen if layer.map_shape]
    if not layers:
        return []
    stats, count = stats_of(example, layers)
    path = folder / "histograms.png"
    figure = draw_histograms([layer.name for layer in layers], list(stats.values()))
    save_svg(figure, path.with_suffix(".svg"))
    save_figure(figure, path)
    windows = f"{count} windows of this input" if count > 1 else "the one window of this input"
    blocks: list[Block] = [Heading("Histograms of activations"), Paragraph(ABOUT.format(windows=windows))]
    warnings = [f"{name} {warning}" for name, each in stats.items() for warning in each.warnings()]
    if warnings:
        blocks.append(Bullets(warnings, tone="bad"))
    blocks.append(
        Plot(path.name, path.with_suffix(".svg").read_bytes(), "Histograms of activations", natural_size=True)
    )
    blocks.append(stats_table(layers, stats))
    return blocks


def stats_of(example: Example, layers: Sequence[Layer]) -> tuple[dict[str, ActivationStats], int]:
    """Statistics of each layer over up to `MOST_WINDOWS` evenly spaced windows of the input, and how many they are."""
    stats = {layer.name: ActivationStats() for layer in layers}
    windows = len(example.prediction.windows)
    wanted = {round(place) for place in np.linspace(0, windows - 1, min(windows, MOST_WINDOWS))}
    with torch.no_grad(), captured(example.model.network, list(stats)) as found:
        for number, window in enumerate(windows_of(example.explained, example.given)):
            if number in wanted:
                example.model(torch.from_numpy(window.clip_CTHW)[None].to(example.model.mean.device))
                for name, each in stats.items():
                    each.add(found.maps(name))
    return stats, len(wanted)


def stats_table(layers: Sequence[Layer], stats: dict[str, ActivationStats]) -> Table:
    columns = ("layer", "kind", "mean", "deviation", "least", "largest", "zeros", "silent units")
    rows = []
    for layer in layers:
        one = stats[layer.name]
        numbers = (f"{value:.3g}" for value in (one.mean, one.std, one.low, one.high))
        rows.append([layer.name, layer.kind, *numbers, f"{one.share_of_zeros:.0%}", f"{one.share_of_silent_units:.0%}"])
    return Table(columns, rows, wide=frozenset({"kind"}))


def draw_histograms(names: Sequence[str], stats: Sequence[ActivationStats]) -> Figure:
    """One small plot a layer: the density of its values, without exact zeros and the outermost."""
    rows = -(-len(names) // COLUMNS)
    figure, axes = plt.subplots(rows, COLUMNS, figsize=(3.4 * COLUMNS, 1.6 * rows), layout="constrained", squeeze=False)
    edges = bin_edges()
    for axis, name, one in zip(axes.flat, names, stats, strict=False):
        counts = one.counts.copy()
        counts[len(counts) // 2] -= one.zeros
        axis.stairs(counts / np.diff(edges) / max(1, counts.sum()), edges, fill=True, color=BLUE)
        axis.set_xlim(*_limits(counts, edges, one))
        axis.xaxis.set_major_locator(MaxNLocator(5))
        axis.tick_params(labelsize=7)
        axis.set_yticks([])
        axis.spines["left"].set_visible(False)
        color = ORANGE if one.warnings() else INK
        axis.set_title(shortened(printable(name), LONGEST_NAME), fontsize=8, color=color, loc="left", parse_math=False)
        if one.zeros:
            zeros = f"{one.share_of_zeros:.0%} zeros"
            axis.text(1, 0.95, zeros, fontsize=7, color=SOFT, ha="right", va="top", transform=axis.transAxes)
    for axis in axes.flat[len(names) :]:
        axis.set_axis_off()
    return figure


def _limits(counts: NDArray[np.int64], edges: NDArray[np.float64], one: ActivationStats) -> tuple[float, float]:
    """Where a plot begins and ends: 0 is in it."""
    if not counts.sum():
        return -1.0, 1.0
    share = counts.cumsum() / counts.sum()
    low, high = edges[np.searchsorted(share, OUTSIDE)], edges[np.searchsorted(share, 1 - OUTSIDE) + 1]
    return min(0.0, max(low, one.low)), max(0.0, min(high, one.high))
