"""From features of frames to logits of a clip, where the order of the frames matters."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


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
        frames: how many positions are learned; other numbers of frames take interpolated ones.
        dim: width of the encoder, a multiple of `heads`.
        depth: blocks.
        heads: attention heads of a block.
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
