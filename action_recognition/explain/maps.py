"""Activation maps: what the chosen layers put out for a clip, over time, and how they are connected."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray

from action_recognition.explain.connections import Connection, connections
from action_recognition.explain.example import Example
from action_recognition.explain.map_pictures import MapRow, draw_rows, draw_still, save_svg
from action_recognition.models.layers import Layer, captured
from action_recognition.reports.figures import save_figure
from action_recognition.reports.page import Block, Heading, Paragraph, Plot
from action_recognition.utils.text import first_names, printable
from action_recognition.video.frames import Frame

Maps = NDArray[np.float32]
ABOUT = (
    "One row per layer, time from left to right. Bright is where a layer answers: the mean magnitude over its "
    "channels, each row on its own scale, given above it. At the left is how the layers are connected; +n counts the "
    "residual connections and other sums of two paths on the way to a layer."
)
CHANNELS = (
    "The channels whose answer varies most within this clip. All channels of a layer share one colour scale, which is "
    "given below them; the outermost values, one in 500, may lie beyond. Blue is below zero, red above; in layers "
    "without values below zero black is zero."
)
BEYOND = 0.002  # of a layer's values: beyond the scale of its channels
UNSAFE = str.maketrans(dict.fromkeys('/\\:*?"<>|', "_"))


def section(example: Example, folder: Path) -> list[Block]:
    """A picture of all layers, as PNG and SVG, and one of the strongest channels of each."""
    layers = [layer for layer in example.explained.chosen if layer.map_shape]
    if not layers:
        return []
    maps_by_name = maps_of(example, layers)
    rows = [_row(layer, maps_by_name[layer.name]) for layer in layers]
    figure = draw_rows(example.frames_THWC, rows, links_of(example, layers), first="input")
    overview = folder / "maps.png"
    save_svg(figure, overview.with_suffix(".svg"))
    save_figure(figure, overview)
    blocks: list[Block] = [Heading("Activation maps"), Paragraph(ABOUT)]
    if left_out := [layer.name for layer in example.explained.chosen if not layer.map_shape]:
        blocks.append(
            Paragraph(f"Left out, because their outputs have no place in the picture: {first_names(left_out)}.")
        )
    svg = overview.with_suffix(".svg").read_bytes()
    blocks.append(Plot(overview.name, svg, "Activation maps of the chosen layers", natural_size=True))
    blocks += [Heading("Channels", level=3), Paragraph(CHANNELS)]
    for number, layer in enumerate(layers, start=1):
        path = folder / f"maps_{number:02}_{file_name(layer)}.png"
        channel_rows = channel_rows_of(maps_by_name[layer.name], example.explained.settings.channels)
        save_figure(draw_channels(example.frames_THWC, channel_rows), path)
        low, high = channel_rows[0].low, channel_rows[0].high
        caption = f"{layer.name} ({described(layer)}), from {low:.3g} to {high:.3g}"
        blocks.append(Plot(path.name, path.read_bytes(), caption))
    return blocks


def maps_of(example: Example, layers: Sequence[Layer]) -> dict[str, Maps]:
    """float32 `[C, T, H, W]` of each layer for the clip."""
    with torch.no_grad(), captured(example.model.network, [layer.name for layer in layers]) as found:
        example.model(example.clip_BCTHW)
        return {layer.name: found.maps(layer.name)[0].float().cpu().numpy() for layer in layers}


def links_of(example: Example, layers: Sequence[Layer]) -> list[Connection]:
    """How the layers are connected."""
    network_input = example.model.network_input(example.clip_BCTHW)
    return connections(example.model.network, [layer.name for layer in layers], network_input)


def channel_rows_of(maps_CTHW: Maps, count: int) -> list[MapRow]:
    """The channels that vary most, on one scale: from 0, or around it where there are values below zero."""
    clean_CTHW = np.nan_to_num(maps_CTHW)
    strength_C = clean_CTHW.std(axis=(1, 2, 3), dtype=np.float64)
    order = np.argsort(-strength_C, kind="stable")[:count]
    high = float(np.quantile(np.abs(clean_CTHW[order]), 1 - BEYOND) or np.abs(clean_CTHW[order]).max()) or 1.0
    low = -high if clean_CTHW[order].min() < 0 else 0.0
    return [
        MapRow(
            name=f"channel {channel}",
            note=f"deviation {strength_C[channel]:.3g}",
            maps_THW=clean_CTHW[channel],
            low=low,
            high=high,
        )
        for channel in map(int, order)
    ]


def file_name(layer: Layer) -> str:
    """The name of a layer as part of a file's."""
    return printable(layer.name).translate(UNSAFE)


def draw_channels(frames_THWC: Frame, rows: Sequence[MapRow]) -> Figure:
    """Channels through time, or side by side where there is only one frame."""
    if len(frames_THWC) == 1:
        return draw_still(frames_THWC[0], rows, first="input")
    return draw_rows(frames_THWC, rows, first="input")


def described(layer: Layer) -> str:
    """Its kind and the sides of its maps."""
    channels, *sides = layer.map_shape or layer.shape
    return f"{layer.kind}, {channels} channels of {'x'.join(map(str, sides))}"


def _row(layer: Layer, maps_CTHW: Maps) -> MapRow:
    magnitude_THW = np.abs(np.nan_to_num(maps_CTHW)).mean(axis=0)
    low, high = float(magnitude_THW.min()), float(magnitude_THW.max())
    channels, *sides = maps_CTHW.shape
    note = f"{layer.kind}  {channels} x {'x'.join(map(str, sides))}, {low:.3g} to {high:.3g}"
    return MapRow(name=layer.name, note=note, maps_THW=magnitude_THW, low=low, high=high if high > low else low + 1)
