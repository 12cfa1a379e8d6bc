"""The input of a network: frames, residual frames, or both.

Residual frames are differences of neighbouring frames; from scratch on small data sets a 3D network learns more from
them than from RGB (Tao, Wang and Yamasaki 2020, arXiv:2006.13017).
"""

import torch
from torch import Tensor

from action_recognition.errors import ConfigError


def input_shape(clip_shape: tuple[int, int, int, int], kind: str) -> tuple[int, int, int, int]:
    """`(C, T, H, W)` of the network's input for clips `(C, T, H, W)`; `ConfigError` for residuals of a single frame."""
    channels, frames, height, width = clip_shape
    if kind != "rgb" and frames < 2:
        raise ConfigError(f"model.input={kind}: needs at least 2 frames, clip.frames={frames}")
    return (2 * channels if kind == "rgb_residual" else channels), frames, height, width


def as_input(clip_BCTHW: Tensor, kind: str) -> Tensor:
    """`rgb`: the clip itself. `residual`: each frame minus the one before it. `rgb_residual`: both, as channels.

    Residuals are doubled, so that they are about as large as normalised frames. The first frame has no predecessor and
    gets the second frame's residual, so that T stays.
    """
    if kind == "rgb":
        return clip_BCTHW
    change = 2 * clip_BCTHW.diff(dim=2)
    residual = torch.cat([change[:, :, :1], change], dim=2)
    return residual if kind == "residual" else torch.cat([clip_BCTHW, residual], dim=1)
