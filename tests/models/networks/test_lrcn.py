"""LRCN: frames one by one against 2D layers, its head on the LSTM's steps, batch norm against sums by hand."""

import pytest
import torch
import torch.nn.functional as F
from helpers.network_checks import noise, stir
from torch import Tensor

from action_recognition.models.networks import build_network
from action_recognition.models.networks.base import ActionNetwork

TINY = {
    "adapted": {"widths": [4, 6], "hidden": 8},
    "original": {"widths": [4, 8, 6, 6, 8], "fc": 12, "hidden": 8},
}
SMALL = {"adapted": (3, 4, 20, 17), "original": (3, 4, 67, 80)}
VARIANTS = ("adapted", "original")


def made(variant: str, clip_shape: tuple[int, int, int, int] | None = None, **args: object) -> ActionNetwork:
    torch.manual_seed(0)
    options = TINY[variant] | args
    shape = clip_shape or SMALL[variant]
    return build_network("lrcn", clip_shape=shape, num_classes=5, variant=variant, **options)


@pytest.mark.parametrize("variant", VARIANTS)
def test_training_in_half_precision(variant: str) -> None:
    network = made(variant).train()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = F.cross_entropy(network(noise(2, *SMALL[variant])).float(), torch.tensor([0, 1]))
    loss.backward()
    assert all(weight.grad is not None and weight.grad.isfinite().all() for weight in network.parameters())


def test_published_sizes() -> None:
    with torch.device("meta"):
        network = build_network("lrcn", clip_shape=(3, 16, 227, 227), num_classes=101, variant="original")
        maps = network.frames(torch.empty(1, 3, 16, 227, 227))
        assert maps.shape == (1, 256, 16, 6, 6)
        assert network.features(torch.empty(1, 3, 16, 227, 227)).shape == (1, 16, 4096)
    assert network.head.lstm.hidden_size == 256
    # CaffeNet's convolutions (two groups in the second, fourth and fifth) and fc6.
    convolutions = 34_944 + 307_456 + 885_120 + 663_936 + 442_624
    backbone = sum(weight.numel() for stage in network.stages() for weight in stage.parameters())
    assert backbone == convolutions + 9216 * 4096 + 4096


@pytest.mark.parametrize("variant", VARIANTS)
def test_each_frame_is_seen_alone(variant: str) -> None:
    network = made(variant).eval()
    stir(network)
    clip_BCTHW = noise(1, *SMALL[variant])
    changed = clip_BCTHW.clone()
    changed[:, :, 2] += 1
    with torch.inference_mode():
        differ_T = (network.features(clip_BCTHW) - network.features(changed)).abs().amax(dim=(0, 2)) > 1e-5
    assert differ_T.tolist() == [False, False, True, False]


def test_original_frames_are_caffenets_2d_layers() -> None:
    network = made("original").eval()
    clip_BCTHW = noise(2, *SMALL["original"])
    first, second, third, fourth, fifth = (stage[0] for stage in network.frames)

    def layer(maps: Tensor, convolution: torch.nn.Conv3d, **options: int) -> Tensor:
        return F.relu(F.conv2d(maps, convolution.weight[:, :, 0], convolution.bias, **options))

    with torch.inference_mode():
        for number in range(4):
            maps = F.max_pool2d(layer(clip_BCTHW[:, :, number], first, stride=4), 3, 2)
            maps = F.local_response_norm(maps, 5, alpha=1e-4, beta=0.75)
            maps = F.max_pool2d(layer(maps, second, padding=2, groups=2), 3, 2)
            maps = F.local_response_norm(maps, 5, alpha=1e-4, beta=0.75)
            maps = layer(layer(maps, third, padding=1), fourth, padding=1, groups=2)
            maps = F.max_pool2d(layer(maps, fifth, padding=1, groups=2), 3, 2)
            expected_BD = F.relu(F.linear(maps.flatten(1), network.fc[0].weight, network.fc[0].bias))
            torch.testing.assert_close(network.features(clip_BCTHW)[:, number], expected_BD)


def test_original_averages_probabilities_over_the_steps() -> None:
    network = made("original").eval()
    with torch.inference_mode():
        network.head.linear.weight.mul_(20)
        clip_BCTHW = noise(2, *SMALL["original"]) * 3
        steps_BTD = network.head.lstm(network.features(clip_BCTHW))[0]
        probability_BTK = (steps_BTD @ network.head.linear.weight.T + network.head.linear.bias).softmax(dim=2)
        found_BK = network(clip_BCTHW).softmax(dim=1)
    torch.testing.assert_close(found_BK, probability_BTK.mean(dim=1))
    assert (probability_BTK[:, 0] - probability_BTK[:, -1]).abs().max() > 1e-3


def test_adapted_classifies_the_last_step() -> None:
    network = made("adapted").eval()
    clip_BCTHW = noise(2, *SMALL["adapted"])
    with torch.inference_mode():
        steps_BTD = network.head.lstm(network.features(clip_BCTHW))[0]
        expected_BK = steps_BTD[:, -1] @ network.head.linear.weight.T + network.head.linear.bias
        torch.testing.assert_close(network(clip_BCTHW), expected_BK)
        assert (network(clip_BCTHW.flip(2)) - expected_BK).abs().max() > 1e-4, "the order of frames matters"


def test_batch_norm_is_over_batch_and_time_together() -> None:
    network = made("adapted").train()
    convolutions, norm = network.frames[0][:5], network.frames[0][5]
    # Frames of different brightness, which statistics of each frame would hide.
    clip_BCTHW = noise(3, *SMALL["adapted"]) + torch.arange(4.0).view(1, 1, 4, 1, 1)
    with torch.no_grad():
        maps = convolutions(clip_BCTHW)
        found = network.frames[0](clip_BCTHW)
    variance, mean = torch.var_mean(maps, dim=(0, 2, 3, 4), correction=0, keepdim=True)
    torch.testing.assert_close(found, (maps - mean) / (variance + norm.eps).sqrt())
    torch.testing.assert_close(norm.running_mean, 0.1 * mean.flatten())
    assert found[:, :, 0].mean(dim=(0, 2, 3)).abs().max() > 0.1, "one frame alone is not centred"
    norms = [module for module in network.modules() if isinstance(module, torch.nn.modules.batchnorm._BatchNorm)]
    assert [type(module) for module in norms] == [torch.nn.BatchNorm3d] * 2
