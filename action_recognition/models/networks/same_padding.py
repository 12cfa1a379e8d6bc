"""Convolutions padded as TensorFlow's SAME does, for weights that were trained there."""

import torch.nn.functional as F
from torch import Tensor, nn


class SamePaddingConv2d(nn.Conv2d):
    """A convolution whose output is `ceil(size / stride)`, an odd row or column of zeros lying below or to the right.

    At stride 2 and an even size that is one row at the bottom only, where torch's `padding=1` puts one at the top: maps
    computed the other way lie half a step beside those that the weights were trained on.
    """

    def forward(self, input: Tensor) -> Tensor:
        top, bottom = self._padding(input.shape[-2], axis=0)
        left, right = self._padding(input.shape[-1], axis=1)
        padded = F.pad(input, (left, right, top, bottom))
        return F.conv2d(padded, self.weight, self.bias, self.stride, 0, self.dilation, self.groups)

    def _padding(self, size: int, *, axis: int) -> tuple[int, int]:
        stride, reach = self.stride[axis], self.dilation[axis] * (self.kernel_size[axis] - 1) + 1
        total = max((-(-size // stride) - 1) * stride + reach - size, 0)
        return total // 2, total - total // 2


def use_same_padding(backbone: nn.Module) -> None:
    """Pad the strided convolutions of `backbone` so; at stride 1 and odd kernels there is no difference."""
    for module in backbone.modules():
        if isinstance(module, nn.Conv2d) and max(module.stride) > 1:
            module.__class__ = SamePaddingConv2d
