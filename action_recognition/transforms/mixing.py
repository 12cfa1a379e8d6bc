"""Mixup and CutMix: two examples in one, and a label that says how much of each."""

import torch
from torch import Tensor


def mix(
    inputs: Tensor, label_B: Tensor, *, num_classes: int, mixup_alpha: float, cutmix_alpha: float, seed: int
) -> tuple[Tensor, Tensor]:
    """Mix every example of a batch with the one before it.

    Mixup (Zhang et al. 2017, arXiv:1710.09412) blends; CutMix (Yun et al. 2019, arXiv:1905.04899) pastes a box of the
    other clip into every frame. If both have an alpha, one of them is drawn for the batch.

    Args:
        inputs: clips `[B, C, T, H, W]`, or features `[B, ...]`, which are only blended.
        mixup_alpha, cutmix_alpha: parameter of the Beta distribution that the share is drawn from; 0 for none.

    Returns:
        Mixed inputs, float, and labels `[B, num_classes]` whose rows sum to 1.
    """
    from torchvision.transforms import v2  # takes a second to import

    ways: list[v2.Transform] = []
    if cutmix_alpha and inputs.ndim == 5:
        ways.append(v2.CutMix(alpha=cutmix_alpha, num_classes=num_classes))
    if mixup_alpha or not ways:
        ways.append(v2.MixUp(alpha=mixup_alpha or cutmix_alpha, num_classes=num_classes))
    # The transforms expect images: frames become channels, and features images of one pixel.
    images = inputs.float().flatten(1, 2) if inputs.ndim == 5 else inputs.float().reshape(len(inputs), -1, 1, 1)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)  # torch.manual_seed would seed the GPUs' generators as well
        mixed, label_BK = v2.RandomChoice(ways)(images, label_B)
    return mixed.reshape(inputs.shape), label_BK
