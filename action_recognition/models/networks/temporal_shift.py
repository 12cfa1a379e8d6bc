"""Temporal shift: 2D convolutions that see the previous and the next frame at no cost.

Lin, Gan and Han 2019, "TSM: Temporal Shift Module for Efficient Video Understanding", arXiv:1811.08383.
"""

import torch
from torch import Tensor, nn
from torchvision.models.efficientnet import MBConv
from torchvision.models.mobilenetv2 import InvertedResidual
from torchvision.models.resnet import BasicBlock, Bottleneck


def temporal_shift(frames_NCHW: Tensor, *, frames: int, fraction: int = 8) -> Tensor:
    """Move 1/`fraction` of the channels one frame towards the past, and as many towards the future; zeros follow.

    Args:
        frames_NCHW: `[B * frames, C, H, W]`, the frames of a clip one after the other.
        frames: T of the clips; 1 changes nothing.
        fraction: 8 in the paper, its best trade between motion and appearance.
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
    """A convolution whose input is shifted in time first; its parameters have the same names."""

    frames = 1

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(temporal_shift(input, frames=self.frames))


def add_temporal_shift(backbone: nn.Module, *, frames: int) -> None:
    """Shift the input of every residual block's first convolution, but not of its skip connection.

    Args:
        backbone: a ResNet, MobileNetV2 or EfficientNet of torchvision, or parts of one.
        frames: T of the clips.
    """
    for block in backbone.modules():
        if isinstance(block, BasicBlock | Bottleneck):
            convolution = block.conv1
        elif isinstance(block, InvertedResidual) and block.use_res_connect:
            convolution = block.conv[0][0]
        elif isinstance(block, MBConv) and block.use_res_connect:
            convolution = block.block[0][0]
        else:
            continue
        # The same module under another class: its parameters and its name in a checkpoint stay.
        convolution.__class__ = ShiftedConv2d
        convolution.frames = frames
