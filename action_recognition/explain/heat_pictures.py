"""Heat laid over pictures: colours, the part that the model sees, and a legend."""

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from action_recognition.contract import ClipContract
from action_recognition.inference.labelled_video.layers import Layer
from action_recognition.inference.labelled_video.lettering import fitted, line_height, text_width
from action_recognition.utils.text import printable
from action_recognition.video.frames import Frame

COLORS = cv2.COLORMAP_INFERNO
MOST_OPACITY = 0.75
UNSEEN = 0.4  # of the brightness outside of what the model sees
WHITE, SOFT = (255, 255, 255), (200, 200, 200)
LEAST_BAR = 12  # pixels, of the legend


def colors_of(heat: NDArray[np.float32]) -> Frame:
    """RGB for heat `[H, W]` in 0-1: black, violet, orange, yellow."""
    bgr = cv2.applyColorMap(np.rint(heat * 255).astype(np.uint8), COLORS)
    return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), dtype=np.uint8)


def lay_over(frame_HWC: Frame, heat_HW: NDArray[np.float32]) -> Frame:
    """A picture with heat over it, interpolated to its size; the more heat, the less of the picture is left."""
    height, width = frame_HWC.shape[:2]
    resized = cv2.resize(heat_HW, (width, height), interpolation=cv2.INTER_LINEAR)
    heat = np.asarray(resized, dtype=np.float32)
    opacity = np.float32(MOST_OPACITY) * np.sqrt(heat)
    mixed = cv2.blendLinear(frame_HWC, colors_of(heat), 1 - opacity, opacity)
    return np.asarray(mixed, dtype=np.uint8)


def seen_square(width: int, height: int, contract: ClipContract) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of the square that the model sees of pictures of this size."""
    side = min(width, height) * contract.size / contract.short_side
    left, top = (width - side) / 2, (height - side) / 2
    return round(left), round(top), round(left + side), round(top + side)


def draw_heat(canvas_HWC: Frame, heat_HW: NDArray[np.float32], contract: ClipContract) -> None:
    """Draw heat into the square that the model sees, in place; darken what is around it, and draw its edge."""
    height, width = canvas_HWC.shape[:2]
    left, top, right, bottom = seen_square(width, height, contract)
    inside = lay_over(canvas_HWC[top:bottom, left:right], heat_HW)
    canvas_HWC[:] = np.rint(canvas_HWC * UNSEEN).astype(np.uint8)
    canvas_HWC[top:bottom, left:right] = inside
    if (left, top) != (0, 0):
        cv2.rectangle(canvas_HWC, (left, top), (right - 1, bottom - 1), WHITE, 1)


@lru_cache(maxsize=64)
def caption(width: int, height: int, label: str, method: str, scale: str) -> Frame:
    """A strip to stand above a picture: label, method and the legend of the colours. An even number of rows.

    Args:
        width, height: of the picture.
        label: with its probability.
        scale: what the brightest colour stands for.
    """
    size = max(11, round(0.036 * min(width, height)))
    inset, small, gap = round(0.6 * size), max(9, round(0.8 * size)), round(0.3 * size)
    room, row = width - 2 * inset, line_height(small)
    rows = line_height(size) + 2 * (row + gap) + 2 * inset
    strip_HWC = np.zeros((rows + rows % 2, width, 3), dtype=np.uint8)
    layer = Layer(0, 0, width, rows)
    layer.text(fitted(printable(label), room, size, bold=True), inset, inset, size, WHITE, bold=True)
    top = inset + line_height(size) + gap
    layer.text(fitted(printable(method), room, small), inset, top, small, SOFT)
    top += row + gap
    layer.text("none", inset, top, small, SOFT)
    left = inset + text_width("none", small) + inset
    bar = max(LEAST_BAR, min(8 * size, width - left - text_width(scale, small) - 2 * inset))
    layer.text(scale, left + bar + inset, top, small, SOFT)
    layer.lay_over(strip_HWC)
    colors_HWC = colors_of(np.linspace(0, 1, bar, dtype=np.float32)[None])
    strip_HWC[top + 1 : top + row - 1, left : left + bar] = colors_HWC[:, : max(0, width - left)]
    return strip_HWC
