"""LRCN: a 2D CNN sees each frame, an LSTM the sequence (arXiv:1411.4389), as published and adapted to small data."""

import math
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn

from action_recognition.models.networks.base import ActionNetwork

# Channels of the convolutions (original) or blocks (adapted).
VARIANTS: Mapping[str, tuple[int, ...]] = {
    "original": (96, 256, 384, 384, 256),
    "adapted": (32, 64, 128, 256, 512),
}
CAFFENET_SMALLEST = 67


class LRCN(ActionNetwork):
    """Long-term recurrent convolutional network (Donahue et al. 2015, arXiv:1411.4389).

    `original`: CaffeNet's convolutions and first dense layer (fc6) on each frame, an LSTM over the frames, a linear
    layer at each step, and class probabilities averaged over the steps; logits are the average's logarithm.
    `adapted`: blocks of two 3x3 convolutions, pooling and batch norm on each frame, and the LSTM's last step. The
    batch norm is one over batch, time and space together, not one per frame: short clips in small batches then give
    each mean T times as many values.

    All convolutions are 3D with one frame of depth, so that clips stay `[B, C, T, H, W]`.

    Args:
        clip_shape: `(C, T, H, W)` of the input; the dense layers are made for H and W.
        variant: `original` or `adapted`.
        widths: channels of the convolutions (original: five) or blocks (adapted); None for the variant's own.
        fc: units of fc6, original only.
        hidden: units of the LSTM.
        dropout: before the LSTM (original: after fc6) and before the classifier.

    Shape: float `[B, C, T, H, W]`, normalised, to logits `[B, num_classes]`; features `[B, T, D]`, one row per frame.

    Raises:
        ValueError: on another variant, or if frames are too small.
    """

    def __init__(
        self,
        *,
        clip_shape: tuple[int, int, int, int],
        num_classes: int,
        variant: str = "adapted",
        widths: Sequence[int] | None = None,
        fc: int = 4096,
        hidden: int = 256,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        if variant not in VARIANTS:
            raise ValueError(f"variant={variant}: expected one of {', '.join(VARIANTS)}")
        widths = VARIANTS[variant] if widths is None else tuple(widths)
        channels, _, height, width = clip_shape
        smallest = 2 ** len(widths) if variant == "adapted" else CAFFENET_SMALLEST
        if min(height, width) < smallest:
            raise ValueError(f"frames of {height}x{width}: {variant} takes them from {smallest}x{smallest}; clip.size")
        if variant == "original":
            self.frames = _caffenet(channels, widths)
            units = widths[-1] * _caffenet_side(height) * _caffenet_side(width)
            self.fc = nn.Sequential(nn.Linear(units, fc), nn.ReLU(inplace=True))
            units = fc
        else:
            self.frames = _blocks(channels, widths)
            self.fc = nn.Sequential()
            units = widths[-1] * (height >> len(widths)) * (width >> len(widths))
        self.head = RecurrentHead(
            units, hidden=hidden, num_classes=num_classes, dropout=dropout, average=variant == "original"
        )

    def features(self, clip_BCTHW: Tensor) -> Tensor:
        maps_BCTHW = self.frames(clip_BCTHW)
        features_BTD: Tensor = self.fc(maps_BCTHW.transpose(1, 2).flatten(2))
        return features_BTD

    def stages(self) -> list[nn.Module]:
        return [*self.frames, self.fc] if len(self.fc) else [*self.frames]


class RecurrentHead(nn.Module):
    """LSTM over per-frame features, and a linear layer on its last step or on each.

    Args:
        average: class probabilities of all steps are averaged, and their logarithm returned; else the last step's
            logits.

    Shape: `[B, T, units]` to `[B, num_classes]`.
    """

    def __init__(self, units: int, *, hidden: int, num_classes: int, dropout: float, average: bool) -> None:
        super().__init__()
        self.average = average
        self.dropout = nn.Dropout(dropout)
        self.lstm = nn.LSTM(units, hidden, batch_first=True)
        self.linear = nn.Linear(hidden, num_classes)

    def forward(self, features_BTD: Tensor) -> Tensor:
        steps_BTD = self._steps(self.dropout(features_BTD))
        if not self.average:
            last_BK: Tensor = self.linear(self.dropout(steps_BTD[:, -1]))
            return last_BK
        log_probability_BTK: Tensor = self.linear(self.dropout(steps_BTD)).log_softmax(dim=2)
        # The logarithm of the mean: without leaving logarithms, no probability becomes zero.
        return log_probability_BTK.logsumexp(dim=1) - math.log(log_probability_BTK.shape[1])

    def _steps(self, features_BTD: Tensor) -> Tensor:
        device = features_BTD.device.type
        context: AbstractContextManager[object] = nullcontext()
        if torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device):
            # CPUs have no bfloat16 LSTM that can be trained, and long sums in it are coarse anywhere.
            context, features_BTD = torch.autocast(device, enabled=False), features_BTD.float()
        with context:
            steps_BTD: Tensor = self.lstm(features_BTD)[0]
        return steps_BTD


def _blocks(channels: int, widths: Sequence[int]) -> nn.Sequential:
    blocks = nn.Sequential()
    for width in widths:
        blocks.append(
            nn.Sequential(
                nn.Conv3d(channels, width, (1, 3, 3), padding=(0, 1, 1)),
                nn.ReLU(inplace=True),
                nn.Conv3d(width, width, (1, 3, 3), padding=(0, 1, 1)),
                nn.ReLU(inplace=True),
                nn.MaxPool3d((1, 2, 2)),
                nn.BatchNorm3d(width),
            )
        )
        channels = width
    return blocks


def _caffenet(channels: int, widths: Sequence[int]) -> nn.Sequential:
    """The five convolutions of CaffeNet (Krizhevsky et al. 2012, pooled before normalised), frame by frame."""
    if len(widths) != 5 or any(width % 2 for width in widths):
        raise ValueError(f"widths={list(widths)}: expected five even numbers, one per convolution")
    one, two, three, four, five = widths
    pool = nn.MaxPool3d((1, 3, 3), (1, 2, 2))
    norm = nn.LocalResponseNorm(size=5, alpha=1e-4, beta=0.75)  # over neighbouring channels, CaffeNet's settings
    return nn.Sequential(
        nn.Sequential(nn.Conv3d(channels, one, (1, 11, 11), stride=(1, 4, 4)), nn.ReLU(), pool, norm),
        nn.Sequential(nn.Conv3d(one, two, (1, 5, 5), padding=(0, 2, 2), groups=2), nn.ReLU(), pool, norm),
        nn.Sequential(nn.Conv3d(two, three, (1, 3, 3), padding=(0, 1, 1)), nn.ReLU()),
        nn.Sequential(nn.Conv3d(three, four, (1, 3, 3), padding=(0, 1, 1), groups=2), nn.ReLU()),
        nn.Sequential(nn.Conv3d(four, five, (1, 3, 3), padding=(0, 1, 1), groups=2), nn.ReLU(), pool),
    )


def _caffenet_side(side: int) -> int:
    side = (side - 11) // 4 + 1
    for _ in range(3):
        side = (side - 3) // 2 + 1
    return side
