"""Augmentation of a whole batch on the model's device: one draw per clip, the same for all of its frames."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from action_recognition.config import AugmentConfig

# ITU-R BT.601 luma, what a grey version of an RGB frame is.
LUMA = (0.299, 0.587, 0.114)


class ClipAugment:
    """Random resized crop, horizontal flip, brightness, contrast and saturation, RandAugment, random erasing.

    Args:
        size: side of the square that is returned, in pixels.
        largest: largest value of a channel, 255 for 8 bits.
        class_names: to find the classes of `config.keep_direction`, which are never flipped.
    """

    def __init__(self, config: AugmentConfig, *, size: int, class_names: Sequence[str], largest: int = 255) -> None:
        self.config = config
        self.largest = largest
        self.size = size
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
        """uint8 `[B, C, T, H, W]` to float32 `[B, C, T, size, size]`, on the scale it came in.

        Args:
            seed: the draw follows from it alone, so that a resumed run repeats what it would have done.
            rank, world: of `world` batches that are drawn for together this is number `rank`, so that several processes
                draw what a single one would have drawn for all of their clips.
            first, of: where these are clips of a batch of `of`, from number `first` on, they become what they would
                have become with all of it.
        """
        count = len(clip_BCTHW)
        batch = count if of is None else of
        own = slice(rank * batch + first, rank * batch + first + count)
        draw = Draw(own, total=batch * world, seed=seed)
        flip_B = self._flips(label_B, draw)
        theta_B23 = self._crops(flip_B, draw)
        # In memory channels come last: turned round with the cast, that costs half of what it does afterwards.
        clip = clip_BCTHW.to(torch.float32, memory_format=torch.contiguous_format)
        clip = self._sample(clip, theta_B23.to(clip.device))
        clip = self._color(clip, draw)
        if not (self.config.randaugment_ops or self.config.erasing_probability):
            return clip
        from action_recognition.transforms.augment_ops import augment_clip  # torchvision: only where it is used

        return torch.stack(
            [augment_clip(one, self.config, seed=int(seed)) for one, seed in zip(clip, draw.seeds(), strict=True)]
        )

    def _flips(self, label_B: Tensor, draw: "Draw") -> Tensor:
        flip_B = draw.uniform() < self.config.flip_probability
        return flip_B & ~self.keep_direction[label_B.cpu()]

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
        # Frames ride along as channels: one box per clip, one call for the batch.
        flat = clip_BCTHW.reshape(batch, channels * frames, height, width)
        sampled = F.grid_sample(flat, grid, mode="bilinear", padding_mode="border", align_corners=False)
        return sampled.view(batch, channels, frames, self.size, self.size)

    def _color(self, clip_BCTHW: Tensor, draw: "Draw") -> Tensor:
        """Brightness and contrast of any clip, saturation of RGB, within the values that an 8-bit clip can have."""

        def factor(strength: float) -> Tensor:
            return draw.uniform(1 - strength, 1 + strength).view(-1, 1, 1, 1, 1).to(clip_BCTHW.device)

        brightness, contrast, saturation = map(
            factor, (self.config.brightness, self.config.contrast, self.config.saturation)
        )
        clip = clip_BCTHW * brightness
        if clip.shape[1] == len(LUMA):
            weights = clip.new_tensor(LUMA).view(1, 3, 1, 1, 1)
            grey = (clip * weights).sum(dim=1, keepdim=True)
            clip = torch.lerp(grey.expand_as(clip), clip, saturation.expand_as(clip))
        mean = clip.mean(dim=(1, 2, 3, 4), keepdim=True)
        return (mean + (clip - mean) * contrast).clamp_(0, self.largest)


class Draw:
    """Random numbers for the clips `own` of `total` that are drawn for together."""

    def __init__(self, own: slice, *, total: int, seed: int) -> None:
        self.own = own
        self.total = total
        self.generator = torch.Generator().manual_seed(seed)

    def uniform(self, low: float = 0.0, high: float = 1.0) -> Tensor:
        """One float32 per clip, from `low` to `high`."""
        return low + (high - low) * torch.rand(self.total, generator=self.generator)[self.own]

    def seeds(self) -> Tensor:
        """One int64 per clip."""
        return torch.randint(2**62, (self.total,), generator=self.generator)[self.own]
