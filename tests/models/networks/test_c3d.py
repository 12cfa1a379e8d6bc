"""C3D against the layer table of its paper, and what the adapted one does otherwise."""

from itertools import pairwise

import pytest
import torch
from helpers.network_checks import noise
from torch import nn

from action_recognition.models.networks import build_network
from action_recognition.models.networks.base import ActionNetwork

TINY = {"widths": [4, 4, 6, 8, 8], "fc": [12, 10]}
SMALL = {"original": (3, 8, 32, 40), "adapted": (3, 10, 65, 70)}


def made(variant: str, clip_shape: tuple[int, int, int, int], num_classes: int = 5, **args: object) -> ActionNetwork:
    torch.manual_seed(0)
    return build_network("c3d", clip_shape=clip_shape, num_classes=num_classes, variant=variant, **args)


def test_original_is_the_papers() -> None:
    with torch.device("meta"):
        network = made("original", (3, 16, 112, 112), 487, fc=[4096, 4096])
        maps, sizes = torch.empty(1, 3, 16, 112, 112), []
        for group in network.groups:
            maps = group(maps)
            sizes.append(tuple(maps.shape[1:]))
        assert network(torch.empty(2, 3, 16, 112, 112)).shape == (2, 487)
    assert sizes == [(64, 16, 56, 56), (128, 8, 28, 28), (256, 4, 14, 14), (512, 2, 7, 7), (512, 1, 4, 4)]
    convolutions = [module for module in network.modules() if isinstance(module, nn.Conv3d)]
    assert [layer.out_channels for layer in convolutions] == [64, 128, 256, 256, 512, 512, 512, 512]
    assert all((layer.kernel_size, layer.padding) == ((3, 3, 3), (1, 1, 1)) for layer in convolutions)
    # Weights and biases, layer by layer: convolutions, fc6 on 512x1x4x4, fc7, fc8 for Sports-1M's 487 classes.
    widths = [3, 64, 128, 256, 256, 512, 512, 512, 512]
    count = sum(27 * given * out + out for given, out in pairwise(widths))
    count += (8192 * 4096 + 4096) + (4096 * 4096 + 4096) + (4096 * 487 + 487)
    assert sum(weight.numel() for weight in network.parameters()) == count == 79_991_015


def test_adapted_has_a_batch_norm_behind_each_pooling() -> None:
    network = made("adapted", SMALL["adapted"], **TINY)
    for group in network.groups:
        assert [type(layer) for layer in group][-2:] == [nn.MaxPool3d, nn.BatchNorm3d]
    assert not any(isinstance(layer, nn.BatchNorm3d) for layer in made("original", (3, 8, 32, 32), **TINY).modules())


@pytest.mark.parametrize(("group", "alike"), [(3, False), (4, True)])
def test_only_the_adapted_networks_end_sees_no_zeros(group: int, alike: bool) -> None:
    """Of a map that is the same everywhere, convolutions without padding make one that is, too."""
    network = made("adapted", SMALL["adapted"], **TINY)
    convolutions = network.groups[group][:4]
    channels = convolutions[0].in_channels
    with torch.inference_mode():
        made_of_it = convolutions(noise(1, channels, 1, 1, 1).expand(1, channels, 7, 6, 8))
    assert made_of_it.shape[2:] == ((3, 2, 4) if alike else (7, 6, 8))
    spread = (made_of_it.amax(dim=(2, 3, 4)) - made_of_it.amin(dim=(2, 3, 4))).max()
    assert (spread < 1e-5) == alike
    assert made_of_it.abs().max() > 0.01
