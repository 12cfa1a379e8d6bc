"""A plain 3D CNN: convolutions over time and space, for training from scratch on small machines."""

from collections.abc import Sequence

from torch import Tensor, nn


class CNN3D(nn.Module):
    """Three (or as many as `widths` says) blocks of 3x3x3 convolution, batch norm, ReLU and max pooling.

    The first convolution has spatial stride 2, as the stems of ResNets have: frames are the costliest where they are
    largest. Time is pooled from the second block on, so that motion is still at full rate where it is first seen.

    Args:
        channels: input channels.
        num_classes: outputs.
        widths: channels after each block.
        dropout: before the linear layer.

    Shape: float `[B, C, T, H, W]`, normalised, to logits `[B, num_classes]`. Any T; H and W from 16.
    """

    def __init__(
        self, *, channels: int, num_classes: int, widths: Sequence[int] = (32, 64, 128), dropout: float = 0.3
    ) -> None:
        super().__init__()
        blocks: list[nn.Module] = []
        for number, width in enumerate(widths):
            stride = (1, 2, 2) if number == 0 else (1, 1, 1)
            blocks += [
                nn.Conv3d(channels, width, kernel_size=3, stride=stride, padding=1, bias=False),
                nn.BatchNorm3d(width),
                nn.ReLU(inplace=True),
            ]
            if number < len(widths) - 1:
                # ceil_mode: a single frame (T=1) passes too.
                pool = (1, 2, 2) if number == 0 else (2, 2, 2)
                blocks.append(nn.MaxPool3d(pool, ceil_mode=True))
            channels = width
        self.blocks = nn.Sequential(*blocks)
        self.head = nn.Sequential(nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Dropout(dropout))
        self.classifier = nn.Linear(channels, num_classes)

    def forward(self, clip_BCTHW: Tensor) -> Tensor:
        logits_BK: Tensor = self.classifier(self.head(self.blocks(clip_BCTHW)))
        return logits_BK
