"""torchvision's image networks without their classifiers: frames in, feature maps out."""

from collections import OrderedDict
from collections.abc import Mapping

import torchvision
from torch import nn

# Before the map is pooled: what a frame network has a head for.
CLASSIFIERS = ("avgpool", "fc", "classifier")
# Every one of the backbones halves five times, rounding up.
TOTAL_STRIDE = 32


def make_frame_backbone(name: str, *, channels: int) -> nn.Sequential:
    """torchvision's network `name` up to its last feature map, with random weights.

    Its parts keep torchvision's names, so that the keys of torchvision's weights are its keys.

    Args:
        channels: of a frame; another number than 3 has the first convolution made anew.

    Returns:
        A module from float frames `[N, C, H, W]` to maps `[N, D, ceil(H / 32), ceil(W / 32)]`.
    """
    network = torchvision.models.get_model(name, weights=None)
    parts = [(part_name, part) for part_name, part in network.named_children() if part_name not in CLASSIFIERS]
    backbone = nn.Sequential(OrderedDict(parts))
    if channels != 3:
        _replace_stem(backbone, channels)
    return backbone


def _replace_stem(backbone: nn.Module, channels: int) -> None:
    name, stem = next((name, module) for name, module in backbone.named_modules() if isinstance(module, nn.Conv2d))
    new = nn.Conv2d(
        channels,
        stem.out_channels,
        kernel_size=stem.kernel_size,  # type: ignore[arg-type]
        stride=stem.stride,  # type: ignore[arg-type]
        padding=stem.padding,  # type: ignore[arg-type]
        bias=False,
    )
    nn.init.kaiming_normal_(new.weight, mode="fan_out")
    backbone.set_submodule(name, new)


def map_channels(backbone: nn.Module) -> int:
    """D of the last feature map: what the last batch norm normalises."""
    norms = [module for module in backbone.modules() if isinstance(module, nn.BatchNorm2d)]
    return norms[-1].num_features


def backbone_stages(backbone: nn.Sequential) -> list[nn.Module]:
    """The parts of one resolution each, from input to output; a ResNet's are its stem and its four layers."""
    parts = dict(backbone.named_children())
    if "features" not in parts:
        layers = [part for name, part in parts.items() if name.startswith("layer")]
        return [nn.ModuleList([parts["conv1"], parts["bn1"]]), *layers]
    groups: list[list[nn.Module]] = []
    for block in parts["features"].children():
        if not groups or _halves(block):
            groups.append([])
        groups[-1].append(block)
    return [nn.ModuleList(group) for group in groups]


def _halves(block: nn.Module) -> bool:
    return any(isinstance(module, nn.Conv2d) and max(module.stride) > 1 for module in block.modules())


def published_weights(name: str) -> Mapping[str, str]:
    """Names of torchvision's weights for the network `name`, `DEFAULT` among them, and their URLs."""
    members = torchvision.models.get_model_weights(name).__members__
    return {member_name: member.url for member_name, member in members.items()}
