"""Heads of frame networks: from the features or feature maps of frames to logits of a clip."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from action_recognition.models.networks.base import linear_head

# Dropout of each head unless another is given.
DROPOUT = {"linear": 0.5, "light": 0.2, "conv": 0.0, "baseline": 0.0}
# These see the map itself; the others are given its average over H and W.
MAP_HEADS = ("conv", "baseline")
TRANSFORMER_DROPOUT = 0.1


def pooled_head(
    features: int, num_classes: int, *, head: str, pooling: str, dropout: float | None, **encoder: int
) -> nn.Module:
    """A head for features of whole frames: linear on their average `[B, D]`, or a transformer on `[B, T, D]`.

    Args:
        encoder: `frames`, `dim`, `depth` and `heads` of `TransformerHead`.
    """
    if pooling == "transformer":
        share = TRANSFORMER_DROPOUT if dropout is None else dropout
        return TransformerHead(features=features, num_classes=num_classes, dropout=share, **encoder)
    return linear_head(features, num_classes, DROPOUT[head] if dropout is None else dropout)


def map_head(
    name: str, channels: int, num_classes: int, *, dropout: float | None, map_size: tuple[int, int]
) -> "PerFrame":
    """`conv`, or `baseline`, a usual baseline for stills of human actions."""
    drop = nn.Dropout(DROPOUT[name] if dropout is None else dropout)
    if name == "baseline":
        dense = nn.Linear(channels * map_size[0] * map_size[1], 512)
        return PerFrame(FlattenMap(map_size), dense, nn.ReLU(inplace=True), drop, nn.Linear(512, num_classes))
    layers: list[nn.Module] = []
    for before, after in ((channels, 512), (512, 256)):
        convolution = nn.Conv2d(before, after, kernel_size=3, padding=1, bias=False)
        nn.init.kaiming_normal_(convolution.weight, mode="fan_out", nonlinearity="relu")
        layers += [convolution, nn.BatchNorm2d(after), nn.ReLU(inplace=True)]
    return PerFrame(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), drop, nn.Linear(256, num_classes))


class PerFrame(nn.Sequential):
    """Layers applied to each frame's map, and the frames' logits averaged: the consensus of TSN.

    Wang et al. 2016, arXiv:1608.00859. Shape: maps `[B, T, D, h, w]` to logits `[B, num_classes]`.
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


class EncoderBlock(nn.Module):
    """Self-attention and a two-layer network, each on its normalised input and added to it (pre-norm, as in ViT)."""

    def __init__(self, dim: int, *, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.norm1 = nn.LayerNorm(dim)
        self.query_key_value = nn.Linear(dim, 3 * dim)
        self.projection = nn.Linear(dim, dim)
        self.norm2 = nn.LayerNorm(dim)
        self.mlp = nn.Sequential(nn.Linear(dim, 4 * dim), nn.GELU(), nn.Linear(4 * dim, dim))
        self.dropout = nn.Dropout(dropout)

    def forward(self, tokens_BND: Tensor) -> Tensor:
        tokens_BND = tokens_BND + self.dropout(self._attention(self.norm1(tokens_BND)))
        added: Tensor = tokens_BND + self.dropout(self.mlp(self.norm2(tokens_BND)))
        return added

    def _attention(self, tokens_BND: Tensor) -> Tensor:
        split = self.query_key_value(tokens_BND).unflatten(-1, (3, self.heads, -1))
        query, key, value = split.permute(2, 0, 3, 1, 4).unbind(0)  # each [B, heads, N, D / heads]
        attended_BHND = F.scaled_dot_product_attention(query, key, value)
        projected: Tensor = self.projection(attended_BHND.transpose(1, 2).flatten(2))
        return projected


class TransformerHead(nn.Module):
    """A transformer encoder over the features of a clip's frames, with a class token and learned positions.

    Vaswani et al. 2017, arXiv:1706.03762; class token and pre-norm as in ViT (Dosovitskiy et al. 2021,
    arXiv:2010.11929); over frame features as in VTN (Neimark et al. 2021, arXiv:2102.00719).

    Args:
        features: D of the frames' features.
        frames: learned positions; they are interpolated for clips of another length.
        dim, depth, heads: width of the encoder (a multiple of `heads`), blocks, attention heads of each.
        dropout: on what each block adds, and before the linear layer.

    Shape: `[B, T, D]` to logits `[B, num_classes]`.

    Raises:
        ValueError: if `dim` is no multiple of `heads`, or `depth` is below 1.
    """

    def __init__(
        self, *, features: int, frames: int, num_classes: int, dim: int, depth: int, heads: int, dropout: float
    ) -> None:
        super().__init__()
        if heads < 1 or dim < 1 or dim % heads:
            raise ValueError(f"dim={dim}, heads={heads}: expected dim to be a multiple of heads")
        if depth < 1:
            raise ValueError(f"depth={depth}: expected at least 1")
        self.projection = nn.Linear(features, dim)
        self.class_token = nn.Parameter(torch.empty(dim))
        self.positions = nn.Parameter(torch.empty(frames, dim))
        self.blocks = nn.Sequential(*(EncoderBlock(dim, heads=heads, dropout=dropout) for _ in range(depth)))
        self.norm = nn.LayerNorm(dim)
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(dim, num_classes)
        nn.init.trunc_normal_(self.class_token, std=0.02)
        nn.init.trunc_normal_(self.positions, std=0.02)

    def forward(self, frames_BTD: Tensor) -> Tensor:
        tokens_BTD = self.projection(frames_BTD) + self._positions(frames_BTD.shape[1])
        # Not len(): it would fix the batch size of an exported graph.
        class_token_B1D = self.class_token.expand(tokens_BTD.shape[0], 1, -1)
        tokens_BND = self.blocks(torch.cat([class_token_B1D, tokens_BTD], dim=1))
        logits_BK: Tensor = self.classifier(self.dropout(self.norm(tokens_BND[:, 0])))
        return logits_BK

    def _positions(self, frames: int) -> Tensor:
        if frames == len(self.positions):
            return self.positions
        return F.interpolate(self.positions.T[None], size=frames, mode="linear", align_corners=False)[0].T
