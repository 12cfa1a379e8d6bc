"""Parts of torchvision's networks, and its image networks without their classifiers."""

from collections import OrderedDict
from collections.abc import Mapping

import torch.nn.functional as F
import torchvision
from torch import Tensor, nn

# Parts behind the last feature map.
CLASSIFIERS = ("avgpool", "fc", "classifier")
# Every backbone halves the sides five times, rounding up.
TOTAL_STRIDE = 32


class FrameBackbone(nn.Sequential):
    """torchvision's image network `name` up to its last feature map, with random weights.

    Its parts keep torchvision's names, so that keys of torchvision's weights fit.

    Args:
        channels: of a frame; if not 3, the first convolution is made anew.
        same_padding: pad strided convolutions as TensorFlow does, for weights that were trained there.

    Shape: float frames `[N, C, H, W]` to maps `[N, D, ceil(H / 32), ceil(W / 32)]`.
    """

    def __init__(self, name: str, *, channels: int, same_padding: bool = False) -> None:
        network = torchvision.models.get_model(name, weights=None)
        super().__init__(OrderedDict((part, m) for part, m in network.named_children() if part not in CLASSIFIERS))
        self.name = name
        if channels != 3:
            stem = next(part for part, module in self.named_modules() if isinstance(module, nn.Conv2d))
            replace_stem(self, stem, channels)
        for module in self.modules():
            # At stride 1 and odd kernels the two ways to pad are the same.
            if same_padding and isinstance(module, nn.Conv2d) and max(module.stride) > 1:
                module.__class__ = SamePaddingConv2d

    @property
    def channels(self) -> int:
        """D of the maps: what the last batch norm normalises."""
        return [module for module in self.modules() if isinstance(module, nn.BatchNorm2d)][-1].num_features

    def weight_names(self) -> Mapping[str, str]:
        return published_weights(self.name)

    def stages(self) -> list[nn.Module]:
        """Parts of one resolution each, from input to output; a ResNet's are its stem and its four layers."""
        parts = dict(self.named_children())
        if "features" not in parts:
            layers = [part for name, part in parts.items() if name.startswith("layer")]
            return [nn.ModuleList([parts["conv1"], parts["bn1"]]), *layers]
        groups: list[list[nn.Module]] = [[]]
        for block in parts["features"].children():
            if groups[-1] and any(isinstance(m, nn.Conv2d) and max(m.stride) > 1 for m in block.modules()):
                groups.append([])
            groups[-1].append(block)
        return [nn.ModuleList(group) for group in groups]


class SamePaddingConv2d(nn.Conv2d):
    """A convolution padded as TensorFlow's SAME: output `ceil(size / stride)`, odd zeros go below or to the right.

    At stride 2 and an even size that is one row at the bottom only, where torch's `padding=1` puts one at the top: maps
    computed the other way lie half a step beside those that the weights were trained on.
    """

    def forward(self, input: Tensor) -> Tensor:
        widths: list[int] = []
        for axis in (1, 0):  # as F.pad takes them: columns, then rows
            size, stride = input.shape[axis - 2], self.stride[axis]
            reach = self.dilation[axis] * (self.kernel_size[axis] - 1) + 1
            total = max((-(-size // stride) - 1) * stride + reach - size, 0)
            widths += [total // 2, total - total // 2]
        padded = F.pad(input, widths)
        return F.conv2d(padded, self.weight, self.bias, self.stride, 0, self.dilation, self.groups)


def replace_stem(network: nn.Module, name: str, channels: int) -> None:
    """Replace the convolution `name` by a fresh one for other input channels."""
    stem = network.get_submodule(name)
    assert isinstance(stem, nn.Conv2d | nn.Conv3d)
    new = type(stem)(
        channels,
        stem.out_channels,
        kernel_size=stem.kernel_size,  # type: ignore[arg-type]
        stride=stem.stride,  # type: ignore[arg-type]
        padding=stem.padding,  # type: ignore[arg-type]
        bias=stem.bias is not None,
    )
    nn.init.kaiming_normal_(new.weight, mode="fan_out", nonlinearity="relu")
    network.set_submodule(name, new)


def published_weights(name: str) -> Mapping[str, str]:
    """Names of torchvision's weights for the network `name`, `DEFAULT` among them, and their URLs."""
    # __members__, because DEFAULT is another name for one of them.
    return {key: weights.url for key, weights in torchvision.models.get_model_weights(name).__members__.items()}
