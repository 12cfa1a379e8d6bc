"""Mixup and CutMix: two examples in one, and a label that says how much of each."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor


def mix(
    inputs: Tensor,
    label_B: Tensor,
    *,
    num_classes: int,
    mixup_alpha: float,
    cutmix_alpha: float,
    seed: int,
) -> tuple[Tensor, Tensor]:
    """Mix every example of a batch with the one before it.

    Mixup (Zhang et al. 2017, arXiv:1710.09412) blends; CutMix (Yun et al. 2019, arXiv:1905.04899) puts a box of the
    other clip into every frame. Where both have an alpha, one of them is drawn for the batch.

    Args:
        inputs: clips `[B, C, T, H, W]`, or features `[B, ...]`, which are only blended.
        label_B: int64.
        mixup_alpha, cutmix_alpha: parameter of the Beta distribution that the share is drawn from; 0 for none.
        seed: the draw follows from it alone.

    Returns:
        Mixed inputs, float, and labels `[B, num_classes]`, rows of which sum to 1.
    """
    generator = np.random.default_rng(seed)
    cut = inputs.ndim == 5 and generator.random() < _cut_probability(mixup_alpha, cutmix_alpha)
    alpha = cutmix_alpha if cut else mixup_alpha or cutmix_alpha
    share = float(generator.beta(alpha, alpha))
    other = inputs.roll(1, dims=0)
    if cut:
        mixed, share = _paste(inputs, other, share, generator)
    else:
        mixed = torch.lerp(other.float(), inputs.float(), share)
    label_BK = F.one_hot(label_B, num_classes).float()
    return mixed, torch.lerp(label_BK.roll(1, dims=0), label_BK, share)


def _cut_probability(mixup_alpha: float, cutmix_alpha: float) -> float:
    """Probability that a batch is cut rather than blended."""
    if not cutmix_alpha:
        return 0.0
    return 0.5 if mixup_alpha else 1.0


def _paste(inputs: Tensor, other: Tensor, share: float, generator: np.random.Generator) -> tuple[Tensor, float]:
    """`inputs` with a box of `other` of about `1 - share` of the frame, and the share of `inputs` that is left."""
    height, width = inputs.shape[-2:]
    half_height, half_width = (0.5 * np.sqrt(1 - share) * side for side in (height, width))
    y, x = generator.integers(height), generator.integers(width)
    top, bottom = (int(np.clip(edge, 0, height)) for edge in (y - half_height, y + half_height))
    left, right = (int(np.clip(edge, 0, width)) for edge in (x - half_width, x + half_width))
    mixed = inputs.clone()
    mixed[..., top:bottom, left:right] = other[..., top:bottom, left:right]
    return mixed, 1 - (bottom - top) * (right - left) / (height * width)
