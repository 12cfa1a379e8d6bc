"""A small published network and ours with the same backbone, to load its weights into."""

from pathlib import Path

import pytest
import torch
from helpers.network_checks import noise, stir
from torch import Tensor, nn

from action_recognition.models.networks.base import ActionNetwork
from action_recognition.models.pretrained import PretrainedReport, load_pretrained

CLIP = (3, 6, 5, 4)


class Published(nn.Module):
    """A published network: a backbone and its classifier `fc`."""

    def __init__(self, *, channels: int = 3, classes: int = 7, positions: int = 6, bias: bool = False) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv3d(channels, 4, 3, padding=1, bias=bias), nn.BatchNorm3d(4), nn.ReLU())
        self.conv2 = nn.Conv3d(4, 5, 1, bias=bias)
        self.bn2 = nn.BatchNorm3d(5)
        self.pos_embedding = nn.Parameter(torch.zeros(1, positions, 5))
        self.fc = nn.Linear(5, classes)

    def forward(self, clip_BCTHW: Tensor) -> Tensor:
        maps = self.bn2(self.conv2(self.stem(clip_BCTHW))).mean(dim=(3, 4)).transpose(1, 2)
        features_BD: Tensor = self.fc((maps + self.pos_embedding[:, : maps.shape[1]]).amax(dim=1))
        return features_BD


class Tiny(ActionNetwork):
    """The same backbone with a head of ours."""

    pretrained_prefix = "backbone."
    classifier_prefix = "fc."

    def __init__(self, *, channels: int = 3, classes: int = 7, positions: int = 6) -> None:
        super().__init__()
        self.backbone = Published(channels=channels, positions=positions)
        self.backbone.fc = nn.Identity()
        self.head = nn.Sequential(nn.Dropout(0.5), nn.Linear(5, classes))

    def features(self, clip_BCTHW: Tensor) -> Tensor:
        features_BD: Tensor = self.backbone(clip_BCTHW)
        return features_BD

    def stages(self) -> list[nn.Module]:
        return [self.backbone]


def published() -> Published:
    """A published network with nonzero statistics, biases and positions."""
    torch.manual_seed(1)
    network = Published().eval()
    stir(network)
    nn.init.normal_(network.pos_embedding)
    return network


def saved(content: object, path: Path) -> Path:
    torch.save(content, path)
    return path


def load(network: nn.Module, weights: object) -> PretrainedReport:
    return load_pretrained(network, weights, network_name="tiny")  # type: ignore[arg-type]


def one_line(error: type[Exception], network: nn.Module, weights: object) -> str:
    """The message that refuses the weights."""
    with pytest.raises(error) as raised:
        load(network, weights)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def assert_same(ours: nn.Module, theirs: nn.Module) -> None:
    clip_BCTHW = noise(3, *CLIP)
    with torch.no_grad():
        torch.testing.assert_close(ours.eval()(clip_BCTHW), theirs.eval()(clip_BCTHW))
