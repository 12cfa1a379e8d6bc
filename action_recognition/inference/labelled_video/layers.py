"""Shapes and text with soft edges, painted once and laid over many frames."""

import cv2
import numpy as np

from action_recognition.inference.labelled_video.lettering import Mask, text_mask
from action_recognition.inference.temporal.colors import Color
from action_recognition.video.frames import Frame


class Layer:
    """A transparent picture that is laid over frames at one place.

    Args:
        left, top: its place in a frame.
        width, height: pixels; all of it has to lie inside of the frame.
    """

    def __init__(self, left: int, top: int, width: int, height: int) -> None:
        self.left, self.top, self.width, self.height = left, top, width, height
        self._colour_HWC = np.zeros((height, width, 3), dtype=np.float32)  # times opacity
        self._opacity_HW = np.zeros((height, width), dtype=np.float32)
        self._finished: tuple[Frame, Frame] | None = None

    def paint(self, mask_HW: Mask, left: int, top: int, color: Color, opacity: float = 1.0) -> None:
        """Paint where a mask is above 0, with its corner at `left` and `top`; what lies outside is cut off."""
        self._finished = None
        x, y = max(0, left), max(0, top)
        part = mask_HW[y - top : self.height - top, x - left : self.width - left] * opacity
        where = np.s_[y : y + part.shape[0], x : x + part.shape[1]]
        self._colour_HWC[where] += part[..., None] * (np.array(color, dtype=np.float32) - self._colour_HWC[where])
        self._opacity_HW[where] += part * (1 - self._opacity_HW[where])

    def box(self, box: tuple[int, int, int, int], radius: float, color: Color, opacity: float = 1.0) -> None:
        """Paint a rectangle (left, top, width, height) with round corners."""
        left, top, width, height = box
        self.paint(round_box(width, height, radius), left, top, color, opacity)

    def text(
        self, text: str, left: int, top: int, size: int, color: Color, *, bold: bool = False, opacity: float = 1.0
    ) -> None:
        """Write a line of text."""
        self.paint(text_mask(text, size, bold=bold), left, top, color, opacity)

    def lay_over(self, frame_HWC: Frame, *, first: int = 0, end: int | None = None) -> None:
        """Draw it into a frame, in place; or only its columns from `first` up to `end`."""
        if self._finished is None:
            kept_HW = 255 - np.rint(self._opacity_HW * 255).astype(np.uint8)
            self._finished = np.rint(self._colour_HWC).astype(np.uint8), np.repeat(kept_HW[..., None], 3, axis=2)
        colour_HWC, kept_HWC = (part[:, first:end] for part in self._finished)
        height, width = colour_HWC.shape[:2]
        if width > 0 and height > 0:
            left = self.left + first
            below_HWC = frame_HWC[self.top : self.top + height, left : left + width]
            below_HWC[:] = cv2.add(cv2.multiply(below_HWC, kept_HWC, scale=1 / 255), colour_HWC)


def round_box(width: int, height: int, radius: float) -> Mask:
    """`[H, W]`, 0 to 1, how much of each pixel a rectangle with round corners covers."""
    radius = min(radius, width / 2, height / 2)
    x_W = np.abs(np.arange(width) + 0.5 - width / 2) - (width / 2 - radius)
    y_H = np.abs(np.arange(height) + 0.5 - height / 2) - (height / 2 - radius)
    outside_HW = np.hypot(np.maximum(y_H, 0)[:, None], np.maximum(x_W, 0))
    inside_HW = np.minimum(np.maximum(y_H[:, None], x_W), 0)
    return np.clip(0.5 + radius - outside_HW - inside_HW, 0, 1).astype(np.float32)
