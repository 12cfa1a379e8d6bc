"""A plain 3D CNN: convolutions over time and space, for training from scratch on small machines."""

from collections.abc import Sequence

from torch import Tensor, nn

from action_recognition.models.networks.base import ActionNetwork, linear_head


class CNN3D(ActionNetwork):
    """Blocks of 3x3x3 convolution, batch norm, ReLU and max pooling, one per entry of `widths`.

    The first convolution has spatial stride 2, like the stems of ResNets: large frames cost most. Time is pooled from
    the second block on, so that the first layers see motion at the full rate.

    Args:
        widths: channels after each block.
        dropout: before the linear layer.

    Shape: float `[B, C, T, H, W]`, normalised, to logits `[B, num_classes]`. Any T; H and W from 16.
    """

    def __init__(
        self,
        *,
        clip_shape: tuple[int, int, int, int],
        num_classes: int,
        widths: Sequence[int] = (32, 64, 128),
        dropout: float = 0.3,
    ) -> None:
        super().__init__()
        channels = clip_shape[0]
        self.blocks = nn.Sequential()
        for number, width in enumerate(widths):
            stride = (1, 2, 2) if number == 0 else (1, 1, 1)
            block = [
                nn.Conv3d(channels, width, kernel_size=3, stride=stride, padding=1, bias=False),
                nn.BatchNorm3d(width),
                nn.ReLU(inplace=True),
            ]
            if number < len(widths) - 1:
                # ceil_mode: a single frame (T=1) passes too.
                pool = (1, 2, 2) if number == 0 else (2, 2, 2)
                block.append(nn.MaxPool3d(pool, ceil_mode=True))
            self.blocks.append(nn.Sequential(*block))
            channels = width
        self.head = linear_head(channels, num_classes, dropout)

    def features(self, clip_BCTHW: Tensor) -> Tensor:
        features_BD: Tensor = self.blocks(clip_BCTHW).mean(dim=(2, 3, 4))
        return features_BD

    def stages(self) -> list[nn.Module]:
        return list(self.blocks)
