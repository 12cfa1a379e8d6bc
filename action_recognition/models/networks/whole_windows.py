"""3D convolutions whose gradients are right on CPUs, however few frames their input has.

oneDNN 3.13 (in torch 2.15) computes a wrong weight gradient if no window of the kernel lies wholly inside the input,
such as a kernel of 3 over 2 frames with a padding of 1: taps are uninitialised memory, zeros, or written outside the
tensor, which may end the process; padding by more than half the kernel can hang it. On CPUs with AVX512-BF16 about 1 in
6 of random small shapes is wrong in bfloat16 (outputs too, over a single frame of one channel); in float32 1 in 100,
all with kernels from 4. If the input is padded with zeros beforehand, none of 7,000 weight gradients was wrong. 2D
convolutions were right.
"""

import functools
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class WholeWindowConv3d(nn.Conv3d):
    """A `Conv3d` that pads by itself along axes where no window lies inside, or padding is over half a kernel.

    Only on a CPU, for gradients or in half types: on GPUs and in every exported graph it is a plain `Conv3d`.
    """

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        # Not `forward`: subclasses have their own, which call this as torch's does.
        if self.padding_mode != "zeros" or not _at_risk(input):
            return super()._conv_forward(input, weight, bias)
        around = _zeros_around(self)
        reaches = [d * (k - 1) + 1 for d, k in zip(self.dilation, self.kernel_size, strict=True)]
        by_hand = [
            before != after or before > reach // 2 or not has_whole_window(size, reach, stride, before, after)
            for size, reach, stride, (before, after) in zip(input.shape[-3:], reaches, self.stride, around, strict=True)
        ]
        widths = [pair if hand else (0, 0) for pair, hand in zip(around, by_hand, strict=True)]
        if not any(any(pair) for pair in widths):
            return super()._conv_forward(input, weight, bias)
        padding = [0 if hand else before for (before, _), hand in zip(around, by_hand, strict=True)]
        padded = F.pad(input, [width for pair in reversed(widths) for width in pair])
        return F.conv3d(padded, weight, bias, self.stride, padding, self.dilation, self.groups)


def has_whole_window(size: int, reach: int, stride: int, before: int, after: int) -> bool:
    """Whether some position of a kernel along an axis of `size` lies wholly inside, not on the padding."""
    positions = (size + before + after - reach) // stride + 1
    first = -(-before // stride)  # the first that begins inside
    return first < positions and first * stride - before + reach <= size


def use_whole_windows(network: nn.Module) -> None:
    """Make every `Conv3d` of `network` a `WholeWindowConv3d`, under the same name and with the same parameters."""
    for module in network.modules():
        if isinstance(module, nn.Conv3d) and not isinstance(module, WholeWindowConv3d):
            module.__class__ = _with_whole_windows(type(module))  # type: ignore[arg-type]


@functools.cache
def _with_whole_windows(kind: type[nn.Conv3d]) -> type[nn.Conv3d]:
    """`kind`, which may be a network's own subclass, convolving as `WholeWindowConv3d` does."""
    return WholeWindowConv3d if kind is nn.Conv3d else type(kind.__name__, (WholeWindowConv3d, kind), {})


def _at_risk(given: Tensor) -> bool:
    if given.device.type != "cpu" or torch.compiler.is_exporting():
        return False
    half = torch.is_autocast_enabled("cpu") or given.dtype in (torch.bfloat16, torch.float16)
    return half or torch.is_grad_enabled()


def _zeros_around(convolution: nn.Conv3d) -> Sequence[tuple[int, int]]:
    """Zeros before and after the input along time, height and width."""
    if not isinstance(convolution.padding, str):
        return [(width, width) for width in convolution.padding]
    if convolution.padding == "valid":
        return [(0, 0)] * 3
    totals = [d * (k - 1) for d, k in zip(convolution.dilation, convolution.kernel_size, strict=True)]
    return [(total // 2, total - total // 2) for total in totals]
