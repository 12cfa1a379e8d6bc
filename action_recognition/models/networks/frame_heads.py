"""Heads of frame networks that see a frame's whole feature map, and those that see its average."""

from torch import Tensor, nn

HEADS = ("linear", "light", "conv", "baseline")
# These see the map itself; the others are given its average over H and W.
MAP_HEADS = ("conv", "baseline")
DROPOUT = {"linear": 0.5, "light": 0.2, "conv": 0.0, "baseline": 0.0}


class PerFrame(nn.Sequential):
    """Layers applied to each frame's map, and the frames' logits averaged: the consensus of TSN.

    Wang et al. 2016, "Temporal Segment Networks", arXiv:1608.00859.

    Shape: maps `[B, T, D, h, w]` to logits `[B, num_classes]`.
    """

    def forward(self, maps_BTDHW: Tensor) -> Tensor:
        logits_NK = super().forward(maps_BTDHW.flatten(0, 1))
        logits_BK: Tensor = logits_NK.unflatten(0, (-1, maps_BTDHW.shape[1])).mean(dim=1)
        return logits_BK


class FlattenMap(nn.Module):
    """`[N, D, h, w]` to `[N, D * h * w]`, for a linear layer that was made for maps of one size."""

    def __init__(self, size: tuple[int, int]) -> None:
        super().__init__()
        self.size = size

    def forward(self, map_NDHW: Tensor) -> Tensor:
        if tuple(map_NDHW.shape[2:]) != self.size:
            given, wanted = ("x".join(map(str, size)) for size in (map_NDHW.shape[2:], self.size))
            raise ValueError(f"head=baseline: made for maps of {wanted}, not {given}; give frames of the same size")
        return map_NDHW.flatten(1)


def pooled_head(channels: int, num_classes: int, *, dropout: float) -> nn.Sequential:
    """`linear` and `light`: `[B, channels]` to logits."""
    return nn.Sequential(nn.Dropout(dropout), nn.Linear(channels, num_classes))


def conv_head(channels: int, num_classes: int, *, dropout: float) -> PerFrame:
    """`conv`: two 3x3 convolutions to 512 and 256 channels with batch norm and ReLU, average, linear."""
    layers: list[nn.Module] = []
    for before, after in ((channels, 512), (512, 256)):
        convolution = nn.Conv2d(before, after, kernel_size=3, padding=1, bias=False)
        nn.init.kaiming_normal_(convolution.weight, mode="fan_out", nonlinearity="relu")
        layers += [convolution, nn.BatchNorm2d(after), nn.ReLU(inplace=True)]
    average = [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return PerFrame(*layers, *average, nn.Dropout(dropout), nn.Linear(256, num_classes))


def baseline_head(channels: int, num_classes: int, *, dropout: float, map_size: tuple[int, int]) -> PerFrame:
    """`baseline`: the map flattened, 512 ReLU units, linear; a usual baseline for stills of human actions."""
    inputs = channels * map_size[0] * map_size[1]
    dense = [nn.Linear(inputs, 512), nn.ReLU(inplace=True)]
    return PerFrame(FlattenMap(map_size), *dense, nn.Dropout(dropout), nn.Linear(512, num_classes))
