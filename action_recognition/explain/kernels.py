"""The kernels of 2D and 3D convolutions, and through time where they have any."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import matplotlib
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import nn

from action_recognition.explain.example import Example, Explained
from action_recognition.explain.map_pictures import SIGNED
from action_recognition.explain.maps import file_name
from action_recognition.models.layers import Layer
from action_recognition.reports.figures import INK, plt, save_figure
from action_recognition.reports.page import Block, Heading, Paragraph, Plot, Row

MOST_LAYERS = 6
# Of a first layer, whose kernels are pictures of what they look for.
FIRST_KERNELS = 24
MOST_INPUTS = 8
WIDEST = 24  # cells of a picture
CELL, GAP, INCHES = 40, 4, 0.42  # pixels, and of a cell with its gap
ABOUT = (
    "The largest kernels of each convolution, by the root of their summed squares. Each is on its own scale: the "
    "strongest colour is its own largest weight; grey (in colour pictures) or white is zero."
)


@dataclass(frozen=True)
class Convolution:
    """A convolution among the layers; `is_first` if no other comes before it in its branch."""

    layer: Layer
    module: nn.Conv2d | nn.Conv3d
    is_first: bool


@dataclass(frozen=True)
class Kernels:
    """Kernels of one convolution, ready to be drawn.

    Attributes:
        names: of each kernel.
        pictures_NMHWC: in 0-1, RGB; M pictures of each kernel.
        about: what they are.
    """

    names: Sequence[str]
    pictures_NMHWC: NDArray[np.floating]
    about: str


def section(example: Example, folder: Path) -> list[Block]:
    """A picture for each of the chosen convolutions; nothing for a network that has none."""
    chosen = chosen_convolutions(example.explained)
    plots: dict[bool, list[Plot]] = {True: [], False: []}  # by whether it is a first layer
    for number, convolution in enumerate(chosen, start=1):
        sees_colours = convolution.is_first and example.model.contract.channels == 3
        kernels = kernels_of(
            convolution.module.weight.detach().float().cpu().numpy(),
            is_rgb=sees_colours and convolution.module.in_channels == 3,
            most=FIRST_KERNELS if convolution.is_first else example.explained.settings.channels,
        )
        path = folder / f"kernels_{number:02}_{file_name(convolution.layer)}.png"
        save_figure(draw_kernels(kernels), path)
        caption = f"{convolution.layer.name}: {kernels.about}"
        plots[convolution.is_first].append(Plot(path.name, path.read_bytes(), caption))
    deeper = [Row(plots[False][place : place + 2]) for place in range(0, len(plots[False]), 2)]
    return [Heading("Kernels"), Paragraph(ABOUT), *plots[True], *deeper] if chosen else []


def chosen_convolutions(explained: Explained) -> list[Convolution]:
    """The convolutions that `visualize.layers` names; else each stage's and branch's first one with a kernel of more
    than a point."""
    found: list[Convolution] = []
    branches: set[str] = set()
    for layer in explained.layers:
        module = explained.model.network.get_submodule(layer.name.partition("#")[0])
        if isinstance(module, nn.Conv2d | nn.Conv3d) and "#" not in layer.name:
            branch = branch_of(layer)
            found.append(Convolution(layer, module, is_first=branch not in branches))
            branches.add(branch)
    if explained.settings.layers:
        named = {layer.name for layer in explained.chosen}
        if chosen := [convolution for convolution in found if convolution.layer.name in named]:
            return chosen
    first: dict[tuple[int, str], Convolution] = {}
    for convolution in found:
        if max(convolution.module.kernel_size) > 1:
            first.setdefault((convolution.layer.stage, branch_of(convolution.layer)), convolution)
    # Those that see the input first: they are what can be read best.
    return sorted(first.values(), key=lambda found: (not found.is_first, found.layer.stage))[:MOST_LAYERS]


def branch_of(layer: Layer) -> str:
    return layer.name.partition(".")[0]


def kernels_of(weight: NDArray[np.floating], *, is_rgb: bool, most: int) -> Kernels:
    """The strongest kernels of a convolution as pictures.

    Kernels over RGB are shown in colour. Of others the strongest input channel is shown through time, or, if the kernel
    is of one frame, its strongest inputs side by side.

    Args:
        weight: `[O, I, h, w]` or `[O, I, t, h, w]`.
        most: kernels.
    """
    weight_OITHW = np.nan_to_num(weight if weight.ndim == 5 else weight[:, :, None])
    outputs, inputs, frames = weight_OITHW.shape[:3]
    norm_O = np.sqrt(np.square(weight_OITHW, dtype=np.float64).sum(axis=(1, 2, 3, 4)))
    order = [int(index) for index in np.argsort(-norm_O, kind="stable")[:most]]
    size = f"{len(order)} of {outputs} kernels of {'x'.join(map(str, weight.shape[2:]))}"
    through = ", from the first frame to the last" if frames > 1 else ""
    if is_rgb:
        pictures = [_centred(weight_OITHW[index]).transpose(1, 2, 3, 0) for index in order]
        return Kernels([str(index) for index in order], np.stack(pictures), f"{size} over RGB{through}")
    norm_OI = np.sqrt(np.square(weight_OITHW, dtype=np.float64).sum(axis=(2, 3, 4)))
    strongest = [np.argsort(-norm_OI[index], kind="stable") for index in order]
    if frames > 1 or inputs == 1:
        pictures = [_coloured(weight_OITHW[index, inner[0]]) for index, inner in zip(order, strongest, strict=True)]
        names = [
            f"{index} < {inner[0]}" if inputs > 1 else str(index) for index, inner in zip(order, strongest, strict=True)
        ]
        over = f" over the strongest of {inputs} inputs (kernel < input)" if inputs > 1 else ""
        return Kernels(names, np.stack(pictures), f"{size}{over}{through}")
    count = min(inputs, MOST_INPUTS)
    pictures = [_coloured(weight_OITHW[index, inner[:count], 0]) for index, inner in zip(order, strongest, strict=True)]
    about = f"{size} over the {count} strongest of {inputs} inputs each"
    return Kernels([str(index) for index in order], np.stack(pictures), about)


def draw_kernels(kernels: Kernels) -> Figure:
    """The kernels in rows, each under its name, its pictures side by side."""
    count, pictures = kernels.pictures_NMHWC.shape[:2]
    per_row = max(1, min(count, WIDEST // (pictures + 1)))
    rows = -(-count // per_row)
    step_x, step_y = (pictures + 0.6) * (CELL + GAP), (CELL + GAP) * 1.6
    canvas = np.ones((round(rows * step_y), round(per_row * step_x), 3), np.float32)
    names = []
    for number, of_kernel in enumerate(kernels.pictures_NMHWC):
        top, left = round(number // per_row * step_y + 0.5 * CELL), round(number % per_row * step_x)
        names.append((left, top - 5, kernels.names[number]))
        for place, picture_HWC in enumerate(of_kernel):
            x = left + place * (CELL + GAP)
            sides = _sides(picture_HWC.shape[:2])
            shown = cv2.resize(picture_HWC.astype(np.float32), sides[::-1], interpolation=cv2.INTER_NEAREST)
            canvas[top : top + sides[0], x : x + sides[1]] = shown.reshape(*sides, 3)
    scale = INCHES / (CELL + GAP)
    figure = plt.figure(figsize=(canvas.shape[1] * scale, canvas.shape[0] * scale))
    axis = figure.add_axes((0, 0, 1, 1))
    axis.set_axis_off()
    axis.imshow(canvas, interpolation="nearest", aspect="auto")
    for x, y, name in names:
        axis.text(x, y, name, fontsize=7, color=INK, va="bottom", parse_math=False)
    return figure


def _centred(kernel: NDArray[np.floating]) -> NDArray[np.floating]:
    """Weights as 0-1, zero at 0.5, the largest magnitude at an end."""
    largest = np.abs(kernel).max(initial=0.0)
    centred: NDArray[np.floating] = 0.5 + kernel / (2 * largest) if largest else np.full_like(kernel, 0.5)
    return centred


def _coloured(kernel_MHW: NDArray[np.floating]) -> NDArray[np.floating]:
    """`[M, h, w]` to `[M, h, w, 3]`."""
    return np.asarray(matplotlib.colormaps[SIGNED](_centred(kernel_MHW))[..., :3])


def _sides(shape: tuple[int, ...]) -> tuple[int, int]:
    """Pixels of a picture of this height and width that fits into a cell."""
    largest = max(shape)
    return max(1, CELL * shape[0] // largest), max(1, CELL * shape[1] // largest)
