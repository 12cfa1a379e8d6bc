"""Augmentation of a whole batch on the model's device: one draw per clip, the same for all of its frames."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from action_recognition.config import AugmentConfig

LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601: the grey version of an RGB frame
# RandAugment's magnitudes as in the paper (Cubuk et al. 2019, arXiv:1909.13719), 0 to 10.
MAGNITUDES = 11


class ClipAugment:
    """Random resized crop, horizontal flip, brightness, contrast and saturation, RandAugment, random erasing.

    Args:
        size: side of the returned square in pixels.
        class_names: of the labels; the classes in `config.keep_direction` are never flipped.
        largest: the largest value of a channel, 255 for 8 bits.
    """

    def __init__(self, config: AugmentConfig, *, size: int, class_names: Sequence[str], largest: int = 255) -> None:
        self.config, self.size, self.largest = config, size, largest
        self.keep_direction = torch.tensor([name in set(config.keep_direction) for name in class_names])

    def __call__(
        self,
        clip_BCTHW: Tensor,
        label_B: Tensor,
        *,
        seed: int,
        rank: int = 0,
        world: int = 1,
        first: int = 0,
        of: int | None = None,
    ) -> Tensor:
        """uint8 `[B, C, T, H, W]` to float32 `[B, C, T, size, size]`, on the same scale.

        Args:
            seed: determines the draw, so that a resumed run repeats what it would have done.
            rank, world: this process and the number of processes. Together they draw what a single process would draw
                for all of their clips.
            first, of: set when these clips are part of a batch of `of` clips, starting at clip `first`. They are
                augmented as they would be in the whole batch.
        """
        count = len(clip_BCTHW)
        batch = count if of is None else of
        own = slice(rank * batch + first, rank * batch + first + count)
        draw = Draw(own, total=batch * world, seed=seed)
        flip_B = (draw.uniform() < self.config.flip_probability) & ~self.keep_direction[label_B.cpu()]
        theta_B23 = self._crops(flip_B, draw)
        # Channels come last in memory: reordering them during the cast costs half of what it costs afterwards.
        clip = clip_BCTHW.to(torch.float32, memory_format=torch.contiguous_format)
        clip = self._sample(clip, theta_B23.to(clip.device))
        clip = self._color(clip, draw)
        if not (self.config.randaugment_ops or self.config.erasing_probability):
            return clip
        return torch.stack(
            [augment_clip(one, self.config, seed=seed) for one, seed in zip(clip, draw.seeds(), strict=True)]
        )

    def _crops(self, flip_B: Tensor, draw: "Draw") -> Tensor:
        """`[B, 2, 3]` affine maps from the output square to a random box, as `RandomResizedCrop` draws it."""
        area_B = draw.uniform(*self.config.crop_scale)
        low, high = torch.tensor(self.config.crop_ratio).log().tolist()
        ratio_B = draw.uniform(low, high).exp()
        width_B = (area_B * ratio_B).sqrt().clamp(max=1.0)
        height_B = (area_B / ratio_B).sqrt().clamp(max=1.0)
        x_B = draw.uniform(-1.0, 1.0) * (1 - width_B)
        y_B = draw.uniform(-1.0, 1.0) * (1 - height_B)
        zero_B = torch.zeros(len(flip_B))
        signed_width_B = torch.where(flip_B, -width_B, width_B)
        rows = [torch.stack([signed_width_B, zero_B, x_B], dim=1), torch.stack([zero_B, height_B, y_B], dim=1)]
        return torch.stack(rows, dim=1)

    def _sample(self, clip_BCTHW: Tensor, theta_B23: Tensor) -> Tensor:
        batch, channels, frames, height, width = clip_BCTHW.shape
        grid = F.affine_grid(theta_B23, [batch, 1, self.size, self.size], align_corners=False)
        # Frames become channels, so that one call samples one box per clip of the whole batch.
        flat = clip_BCTHW.reshape(batch, channels * frames, height, width)
        sampled = F.grid_sample(flat, grid, mode="bilinear", padding_mode="border", align_corners=False)
        return sampled.view(batch, channels, frames, self.size, self.size)

    def _color(self, clip_BCTHW: Tensor, draw: "Draw") -> Tensor:
        """Brightness and contrast of any clip, and saturation of RGB, clamped to 0 and `largest`."""

        def factor(strength: float) -> Tensor:
            return draw.uniform(1 - strength, 1 + strength).view(-1, 1, 1, 1, 1).to(clip_BCTHW.device)

        config = self.config
        brightness, contrast, saturation = map(factor, (config.brightness, config.contrast, config.saturation))
        clip = clip_BCTHW * brightness
        if clip.shape[1] == len(LUMA):
            grey = (clip * clip.new_tensor(LUMA).view(1, 3, 1, 1, 1)).sum(dim=1, keepdim=True)
            clip = torch.lerp(grey.expand_as(clip), clip, saturation.expand_as(clip))
        mean = clip.mean(dim=(1, 2, 3, 4), keepdim=True)
        return (mean + (clip - mean) * contrast).clamp_(0, self.largest)


class Draw:
    """Random numbers for the clips `own` of `total` clips."""

    def __init__(self, own: slice, *, total: int, seed: int) -> None:
        self.own, self.total = own, total
        self.generator = torch.Generator().manual_seed(seed)

    def uniform(self, low: float = 0.0, high: float = 1.0) -> Tensor:
        """One float32 per clip, from `low` to `high`."""
        return low + (high - low) * torch.rand(self.total, generator=self.generator)[self.own]

    def seeds(self) -> list[int]:
        """One seed per clip."""
        return torch.randint(2**62, (self.total,), generator=self.generator)[self.own].tolist()


def augment_clip(clip_CTHW: Tensor, config: AugmentConfig, *, seed: int) -> Tensor:
    """RandAugment and random erasing of one clip, float32 `[C, T, H, W]`, with one draw for all of its frames.

    RandAugment works on RGB; clips of other channels are only erased. A box is erased to the clip's mean (Zhong et al.
    2017, arXiv:1708.04896), the same in every frame.
    """
    from torchvision.transforms import v2  # takes a second to import

    frames_TCHW = clip_CTHW.transpose(0, 1)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)  # torch.manual_seed would seed the GPUs' generators as well
        if config.randaugment_ops and frames_TCHW.shape[1] == len(LUMA):
            magnitude = round(config.randaugment_magnitude)
            operations = v2.RandAugment(config.randaugment_ops, magnitude, num_magnitude_bins=MAGNITUDES)
            frames_TCHW = operations(frames_TCHW.round().to(torch.uint8)).to(clip_CTHW.dtype)
        if config.erasing_probability:
            mean = frames_TCHW.mean(dim=(0, 2, 3)).tolist()
            scale = (config.erasing_scale[0], config.erasing_scale[1])
            frames_TCHW = v2.RandomErasing(config.erasing_probability, scale=scale, value=mean)(frames_TCHW)
    return frames_TCHW.transpose(0, 1)
