"""3D-ShuffleNet v1: grouped convolutions with shuffled channels, over time and space (arXiv:1904.02422)."""

from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from action_recognition.models.networks.base import ActionNetwork, linear_head

# Channels after the stem and the three stages at width 1, by number of groups (table 1 of the paper).
WIDTHS = {
    1: (24, 144, 288, 576),
    2: (24, 200, 400, 800),
    3: (24, 240, 480, 960),
    4: (24, 272, 544, 1088),
    8: (24, 384, 768, 1536),
}
DEPTHS = (4, 8, 4)
FULL_STEM = 24


class ShuffleNet3D(ActionNetwork):
    """3D-ShuffleNet v1 (Köpüklü et al. 2019, arXiv:1904.02422, after Zhang et al. 2018, arXiv:1707.01083).

    Published weights expect values of 0-255 less the mean (114.77, 107.74, 99.48), not divided.

    Args:
        width_mult: times the paper's channels.
        groups: of the 1x1x1 convolutions; 1, 2, 3, 4 or 8.
        dropout: before the linear layer.

    Shape: float `[B, C, T, H, W]`, normalised, to logits `[B, num_classes]`. Any T, H and W.
    """

    classifier_prefix = "classifier.1."

    def __init__(
        self,
        *,
        clip_shape: tuple[int, int, int, int],
        num_classes: int,
        width_mult: float = 0.5,
        groups: int = 3,
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        stem, *widths = _widths(width_mult, groups)
        self.conv1 = nn.Sequential(
            nn.Conv3d(clip_shape[0], stem, 3, stride=(1, 2, 2), padding=1, bias=False),
            nn.BatchNorm3d(stem),
            nn.ReLU(inplace=True),
        )
        self.pool = nn.MaxPool3d(3, stride=2, padding=1)
        self.layer1, self.layer2, self.layer3 = (
            _stage(*pair, depth, groups) for pair, depth in zip(pairwise((stem, *widths)), DEPTHS, strict=True)
        )
        self.head = linear_head(widths[-1], num_classes, dropout)

    def features(self, clip_BCTHW: Tensor) -> Tensor:
        maps = self.pool(self.conv1(clip_BCTHW))
        features_BD: Tensor = self.layer3(self.layer2(self.layer1(maps))).mean(dim=(2, 3, 4))
        return features_BD

    def stages(self) -> list[nn.Module]:
        return [self.conv1, self.layer1, self.layer2, self.layer3]


def _widths(width_mult: float, groups: int) -> Sequence[int]:
    if groups not in WIDTHS:
        raise ValueError(f"groups={groups}: expected one of {', '.join(map(str, WIDTHS))}")
    widths = [int(width * width_mult) for width in WIDTHS[groups]]
    # Groups share the stem, each bottleneck (a quarter of a stage's channels) and what a first block adds.
    stem = [] if widths[0] == FULL_STEM else [widths[0]]
    cut = [*stem, *(width // 4 for width in widths[1:]), *(b - a for a, b in pairwise(widths))]
    if widths[0] < 1 or any(width % groups for width in cut):
        raise ValueError(f"width_mult={width_mult}: makes channels {widths}, which {groups} groups cannot share")
    return widths


def _stage(channels: int, width: int, depth: int, groups: int) -> nn.Sequential:
    first = ShuffleBlock(channels, width, stride=2, groups=groups)
    return nn.Sequential(first, *(ShuffleBlock(width, width, stride=1, groups=groups) for _ in range(depth - 1)))


class ShuffleBlock(nn.Module):
    """Grouped 1x1x1, shuffle, depthwise 3x3x3, grouped 1x1x1; with stride 2 the pooled input is put beside it.

    Shape: `[B, channels, T, H, W]` to `[B, width, T, H, W]`, the sides divided by `stride`, rounded up.
    """

    def __init__(self, channels: int, width: int, *, stride: int, groups: int) -> None:
        super().__init__()
        self.stride, self.groups = stride, groups
        middle = width // 4
        added = width - channels if stride == 2 else width
        # As in the authors' code, where published weights come from: behind a stem of full width it is not grouped.
        self.conv1 = nn.Conv3d(channels, middle, 1, groups=1 if channels == FULL_STEM else groups, bias=False)
        self.bn1 = nn.BatchNorm3d(middle)
        self.conv2 = nn.Conv3d(middle, middle, 3, stride=stride, padding=1, groups=middle, bias=False)
        self.bn2 = nn.BatchNorm3d(middle)
        self.conv3 = nn.Conv3d(middle, added, 1, groups=groups, bias=False)
        self.bn3 = nn.BatchNorm3d(added)

    def forward(self, maps: Tensor) -> Tensor:
        made = shuffle_channels(F.relu(self.bn1(self.conv1(maps))), self.groups)
        made = self.bn3(self.conv3(self.bn2(self.conv2(made))))
        if self.stride == 1:
            return F.relu(made + maps)
        if maps.shape[2] % 2:  # the convolution rounds up, the pooling down: an odd last frame counts twice
            maps = torch.cat([maps, maps[:, :, -1:]], dim=2)
        # F.pad, because with avg_pool3d's own padding export refuses maps smaller than the kernel.
        pooled = F.avg_pool3d(F.pad(maps, (1, 1, 1, 1)), kernel_size=(2, 3, 3), stride=2)
        return F.relu(torch.cat([made, pooled], dim=1))


def shuffle_channels(maps: Tensor, groups: int) -> Tensor:
    """Deal out the channels of `[B, C, T, H, W]`, so that each group of the next convolution sees all groups.

    Channel `g * C/groups + i` becomes channel `i * groups + g`.
    """
    return maps.unflatten(1, (groups, -1)).transpose(1, 2).flatten(1, 2)
