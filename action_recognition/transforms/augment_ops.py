"""RandAugment and random erasing with torchvision's operations: one draw per clip, for all of its frames."""

import torch
from torch import Tensor
from torchvision.transforms import v2

from action_recognition.config import AugmentConfig
from action_recognition.transforms.seeded import seeded

# RandAugment's magnitudes as in the paper (Cubuk et al. 2019, arXiv:1909.13719), 0 to 10.
MAGNITUDES = 11
RGB = 3


def augment_clip(clip_CTHW: Tensor, config: AugmentConfig, *, seed: int) -> Tensor:
    """float32 `[C, T, H, W]`, 0-255, to the same.

    RandAugment works on RGB; clips of other channels are only erased. A box is erased to the clip's mean (Zhong et al.
    2017, arXiv:1708.04896), the same in every frame.
    """
    frames_TCHW = clip_CTHW.transpose(0, 1)
    with seeded(seed):
        if config.randaugment_ops and frames_TCHW.shape[1] == RGB:
            operations = v2.RandAugment(
                config.randaugment_ops, round(config.randaugment_magnitude), num_magnitude_bins=MAGNITUDES
            )
            frames_TCHW = operations(frames_TCHW.round().to(torch.uint8)).to(clip_CTHW.dtype)
        if config.erasing_probability:
            mean = frames_TCHW.mean(dim=(0, 2, 3)).tolist()
            scale = (config.erasing_scale[0], config.erasing_scale[1])
            frames_TCHW = v2.RandomErasing(config.erasing_probability, scale=scale, value=mean)(frames_TCHW)
    return frames_TCHW.transpose(0, 1)
