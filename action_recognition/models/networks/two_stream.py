"""Two networks side by side: one sees appearance in single frames, the other motion."""

from collections.abc import Sequence
from itertools import zip_longest

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from action_recognition.models.networks.base import ActionNetwork
from action_recognition.models.networks.shufflenet3d import ShuffleNet3D
from action_recognition.models.networks.torchvision_backbones import FrameBackbone

# The motion stream's maps are averaged in this many places along time, height and width.
GRID = 2


class TwoStream(ActionNetwork):
    """An appearance and a motion stream, put together before the classifier (late fusion).

    The idea is Simonyan and Zisserman's (2014, arXiv:1406.2199), but motion is seen by a 3D network trained on videos
    and not by a network on optical flow. The appearance stream (MobileNetV2) looks at each frame alone; the head gets
    the mean of the frames' features, their standard deviation and their mean absolute change from frame to frame. From
    the motion stream it gets the maps of the last two stages, averaged on a coarse grid. Both are meant to be
    pretrained, and frozen if there are few videos: `model.weights.appearance` and `model.weights.motion`.

    Args:
        clip_shape: `(C, T, H, W)` of the input, C = 3, T at least 2.
        mean, std: of the input's normalisation, on the 0-255 scale; the appearance stream takes the input unchanged.
        motion_mean, motion_std: of the normalisation that the motion stream was trained with.
        appearance_stride: the appearance stream sees every n-th frame.
        motion_size: side of the frames that the motion stream sees; the input's side is a multiple of it.
        same_padding: pad the appearance stream as TensorFlow does, for weights that were trained there.
        dropout: before the linear layer.

    Shape: float `[B, 3, T, H, H]`, normalised, to logits `[B, num_classes]`.
    """

    scale: Tensor
    shift: Tensor

    def __init__(
        self,
        *,
        clip_shape: tuple[int, int, int, int],
        num_classes: int,
        mean: Sequence[float],
        std: Sequence[float],
        motion_mean: Sequence[float] = (114.77, 107.74, 99.48),
        motion_std: Sequence[float] = (1.0, 1.0, 1.0),
        motion_size: int = 112,
        appearance_stride: int = 2,
        width_mult: float = 0.5,
        same_padding: bool = False,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        channels, frames, side, _ = clip_shape
        if channels != 3 or frames <= appearance_stride:
            raise ValueError(
                f"clips of {channels} channels and {frames} frames: expected 3 channels and more frames than "
                f"appearance_stride={appearance_stride}"
            )
        if side % motion_size:
            raise ValueError(f"motion_size={motion_size}: expected a divisor of clip.size={side}")
        self.appearance_stride = appearance_stride
        self.shrink = side // motion_size
        self.appearance = FrameBackbone("mobilenet_v2", channels=channels, same_padding=same_padding)
        self.motion = ShuffleNet3D(clip_shape=clip_shape, num_classes=num_classes, width_mult=width_mult)
        self.motion.head = nn.Identity()
        given, wanted = (torch.tensor([list(a), list(b)]) for a, b in ((mean, std), (motion_mean, motion_std)))
        self.register_buffer("scale", (given[1] / wanted[1]).view(1, -1, 1, 1, 1), persistent=False)
        self.register_buffer("shift", ((given[0] - wanted[0]) / wanted[1]).view(1, -1, 1, 1, 1), persistent=False)
        with torch.no_grad():
            width = self.eval().features(torch.zeros(1, *clip_shape)).shape[1]
        self.train()
        # The two streams differ in scale: each feature is brought to mean 0 and variance 1 first.
        norm = nn.BatchNorm1d(width, affine=False)
        self.head = nn.Sequential(norm, nn.Dropout(dropout), nn.Linear(width, num_classes))

    def features(self, clip_BCTHW: Tensor) -> Tensor:
        """`[B, D]`: three statistics of the appearance features, and the motion stream's last maps."""
        return torch.cat([self.appearance_features(clip_BCTHW), self.motion_features(clip_BCTHW)], dim=1)

    def appearance_features(self, clip_BCTHW: Tensor) -> Tensor:
        """`[B, 3 D]`: mean, standard deviation and mean absolute change of the frames' D features."""
        frame_BTCHW = clip_BCTHW[:, :, :: self.appearance_stride].transpose(1, 2)
        maps = self.appearance(frame_BTCHW.flatten(0, 1))
        frame_BTD = maps.mean(dim=(2, 3)).unflatten(0, (-1, frame_BTCHW.shape[1]))
        change = frame_BTD.diff(dim=1).abs().mean(dim=1)
        return torch.cat([frame_BTD.mean(dim=1), frame_BTD.std(dim=1), change], dim=1)

    def motion_features(self, clip_BCTHW: Tensor) -> Tensor:
        """`[B, ...]`: maps of the last two stages, each averaged in `GRID` places along every axis that has as many."""
        clip = F.avg_pool3d(clip_BCTHW, kernel_size=(1, self.shrink, self.shrink))
        maps = self.motion.pool(self.motion.conv1(clip * self.scale + self.shift))
        middle = self.motion.layer2(self.motion.layer1(maps))
        last = self.motion.layer3(middle)
        return torch.cat([pool_grid(middle).flatten(1), pool_grid(last).flatten(1)], dim=1)

    def stages(self) -> list[nn.Module]:
        """Stages of both streams side by side, aligned at the output."""
        pairs = zip_longest(reversed(self.appearance.stages()), reversed(self.motion.stages()))
        stages: list[nn.Module] = [nn.ModuleList(part for part in pair if part is not None) for pair in pairs]
        return stages[::-1]


def pool_grid(maps: Tensor, places: int = GRID) -> Tensor:
    """`[B, C, T, H, W]` averaged in `places` overlapping or adjoining windows along each axis that is long enough.

    Equal windows, unlike adaptive pooling's, which ONNX does not have.
    """
    sizes = [int(size) for size in maps.shape[2:]]
    counts = [min(places, size) for size in sizes]
    stride = [size // count for size, count in zip(sizes, counts, strict=True)]
    kernel = [size - (count - 1) * step for size, count, step in zip(sizes, counts, stride, strict=True)]
    return F.avg_pool3d(maps, kernel_size=kernel, stride=stride)
