"""C3D: 3x3x3 convolutions all the way down (arXiv:1412.0767), as published and adapted to small data sets."""

from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor, nn

from action_recognition.models.networks.base import ActionNetwork

# Convolutions in each group.
DEPTHS = (1, 1, 2, 2, 2)


class Variant(NamedTuple):
    """Units of the dense layers, pooling in time of each group, and how many groups at the end have no padding."""

    fc: tuple[int, ...]
    pool_time: tuple[int, ...]
    valid_groups: int


VARIANTS = {
    "original": Variant(fc=(4096, 4096), pool_time=(1, 2, 2, 2, 2), valid_groups=0),
    # Less pooling in time: the two convolutions without padding need five frames.
    "adapted": Variant(fc=(512, 512), pool_time=(1, 2, 1, 1, 2), valid_groups=1),
}


class C3D(ActionNetwork):
    """C3D (Tran et al. 2015, arXiv:1412.0767): eight convolutions in five pooled groups, two dense layers, linear.

    `original` is the published network. `adapted` has a batch norm after each pooling, narrower dense layers, and no
    zero padding in the last group's convolutions, which would mostly see zeros.

    Args:
        clip_shape: `(C, T, H, W)` of the input; the dense layers are made for it.
        variant: `original` or `adapted`.
        widths: channels of the five groups.
        fc: units of the dense layers; None for the variant's own.
        dropout: after each dense layer.

    Shape: float `[B, C, T, H, W]`, normalised, to logits `[B, num_classes]`.

    Raises:
        ValueError: on another variant, or if the clip is too small for convolutions without padding.
    """

    def __init__(
        self,
        *,
        clip_shape: tuple[int, int, int, int],
        num_classes: int,
        variant: str = "adapted",
        widths: Sequence[int] = (64, 128, 256, 512, 512),
        fc: Sequence[int] | None = None,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        if variant not in VARIANTS:
            raise ValueError(f"variant={variant}: expected one of {', '.join(VARIANTS)}")
        if len(widths) != len(DEPTHS):
            raise ValueError(f"widths={list(widths)}: expected {len(DEPTHS)}, one per group of convolutions")
        settings = VARIANTS[variant]
        padded = len(DEPTHS) - settings.valid_groups
        pools = [(time, 2, 2) for time in settings.pool_time]
        channels, *sides = clip_shape
        _check_clip(sides, pools, padded)

        self.groups = nn.Sequential()
        for number, (width, depth, pool) in enumerate(zip(widths, DEPTHS, pools, strict=True)):
            padding = 1 if number < padded else 0
            self.groups.append(_group(channels, width, depth, pool, padding, norm=variant == "adapted"))
            channels = width
            # Pooling rounds up.
            sides = [-(-(side - 2 * depth * (1 - padding)) // step) for side, step in zip(sides, pool, strict=True)]
        self.fc = nn.Sequential(nn.Flatten())
        units = channels * sides[0] * sides[1] * sides[2]
        for width in settings.fc if fc is None else fc:
            self.fc.extend([nn.Linear(units, width), nn.ReLU(inplace=True), nn.Dropout(dropout)])
            units = width
        self.head = nn.Linear(units, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv3d):  # without batch norm, PyTorch's default lets the signal fade
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")

    def features(self, clip_BCTHW: Tensor) -> Tensor:
        features_BD: Tensor = self.fc(self.groups(clip_BCTHW))
        return features_BD

    def stages(self) -> list[nn.Module]:
        return [*self.groups, self.fc]


def _group(
    channels: int, width: int, depth: int, pool: tuple[int, int, int], padding: int, *, norm: bool
) -> nn.Sequential:
    group = nn.Sequential()
    for _ in range(depth):
        group.extend([nn.Conv3d(channels, width, kernel_size=3, padding=padding), nn.ReLU(inplace=True)])
        channels = width
    # Caffe, which C3D was made with, rounds up: 112x112 frames leave a 4x4 map, not 3x3.
    group.append(nn.MaxPool3d(pool, ceil_mode=True))
    if norm:
        group.append(nn.BatchNorm3d(width))
    return group


def _check_clip(sides: Sequence[int], pools: Sequence[tuple[int, int, int]], padded: int) -> None:
    smallest = [1, 1, 1]
    for number in reversed(range(len(DEPTHS))):
        lost = 0 if number < padded else 2 * DEPTHS[number]
        smallest = [(side - 1) * step + 1 + lost for side, step in zip(smallest, pools[number], strict=True)]
    if any(side < least for side, least in zip(sides, smallest, strict=True)):
        given, least = ("x".join(map(str, shape)) for shape in (sides, smallest))
        raise ValueError(
            f"clips of {given} (frames x height x width) leave nothing for convolutions without padding; the smallest "
            f"clip is {least}; raise clip.frames or clip.size, or take variant: original"
        )
