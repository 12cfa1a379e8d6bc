"""Temporal shift: 2D convolutions that see the previous and the next frame at no cost.

Lin, Gan and Han 2019, "TSM: Temporal Shift Module for Efficient Video Understanding", arXiv:1811.08383.
"""

from collections.abc import Iterator
from typing import cast

import torch
from torch import Tensor, nn
from torchvision.models.efficientnet import MBConv
from torchvision.models.mobilenetv2 import InvertedResidual
from torchvision.models.resnet import BasicBlock, Bottleneck


def temporal_shift(frames_NCHW: Tensor, *, frames: int, fraction: int = 8) -> Tensor:
    """Move 1/`fraction` of the channels one frame towards the past, as many towards the future; zeros follow.

    Args:
        frames_NCHW: `[B * frames, C, H, W]`, the frames of a clip one after the other.
        frames: T of the clips; 1 changes nothing.
        fraction: 8 in the paper, its best trade between motion and appearance.

    Returns:
        `[B * frames, C, H, W]`.
    """
    if frames == 1:
        return frames_NCHW
    clip_BTCHW = frames_NCHW.unflatten(0, (-1, frames))
    moved = frames_NCHW.shape[1] // fraction
    nothing = torch.zeros_like(clip_BTCHW[:, :1, :moved])
    past = torch.cat([clip_BTCHW[:, 1:, :moved], nothing], dim=1)
    future = torch.cat([nothing, clip_BTCHW[:, :-1, moved : 2 * moved]], dim=1)
    shifted: Tensor = torch.cat([past, future, clip_BTCHW[:, :, 2 * moved :]], dim=2).flatten(0, 1)
    return shifted


class ShiftedConv2d(nn.Conv2d):
    """A convolution whose input is shifted in time first; its parameters are named as the plain one's are."""

    frames = 1

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(temporal_shift(input, frames=self.frames))


def add_temporal_shift(backbone: nn.Module, *, frames: int) -> int:
    """Shift the input of every residual block's first convolution ("residual shift": the skip connection is not).

    Args:
        backbone: a ResNet, MobileNetV2 or EfficientNet of torchvision, or parts of one.
        frames: T of the clips.

    Returns:
        How many convolutions shift now.
    """
    found = list(_first_convolutions(backbone))
    for convolution in found:
        # The same module under another class: what it holds and how it is called in a checkpoint stay.
        convolution.__class__ = ShiftedConv2d
        cast(ShiftedConv2d, convolution).frames = frames
    return len(found)


def _first_convolutions(backbone: nn.Module) -> Iterator[nn.Module]:
    for block in backbone.modules():
        if isinstance(block, BasicBlock | Bottleneck):
            yield block.conv1
        elif isinstance(block, InvertedResidual) and block.use_res_connect:
            yield block.conv[0][0]
        elif isinstance(block, MBConv) and block.use_res_connect:
            yield block.block[0][0]
