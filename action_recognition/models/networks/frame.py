"""Frame networks: an image network on every frame of a clip, its frames pooled in one of three ways."""

from collections.abc import Mapping

from torch import Tensor, nn

from action_recognition.errors import check_choice
from action_recognition.models.networks.base import ActionNetwork
from action_recognition.models.networks.frame_heads import DROPOUT, MAP_HEADS, map_head, pooled_head
from action_recognition.models.networks.temporal_shift import add_temporal_shift
from action_recognition.models.networks.torchvision_backbones import TOTAL_STRIDE, FrameBackbone

POOLINGS = ("average", "temporal_shift", "transformer")


class FrameNetwork(ActionNetwork):
    """A 2D backbone on each frame; a still is a clip of one.

    Backbones: ResNet (He et al. 2016, arXiv:1512.03385), EfficientNet (Tan and Le 2019, arXiv:1905.11946), MobileNetV2
    (Sandler et al. 2018, arXiv:1801.04381).

    Args:
        name: torchvision's name of the backbone.
        clip_shape: `(C, T, H, W)` of the input. Positions and temporal shift are made for T, `head=baseline` is made
            for H and W.
        head: how a frame's feature map `[D, h, w]` becomes logits.
            `linear` and `light`: average, dropout (0.5 and 0.2), linear.
            `conv`: 3x3 convolutions to 512 and 256 channels with batch norm and ReLU, average, linear.
            `baseline`: flatten, 512 units with ReLU, linear.
        pooling: over time.
            `average`: of the frames' features or logits (TSN, Wang et al. 2016, arXiv:1608.00859); blind to order.
            `temporal_shift`: the same, with channels moved between neighbouring frames inside the backbone's residual
            blocks (TSM, Lin et al. 2019, arXiv:1811.08383).
            `transformer`: an encoder over the frames' features; with `head=linear` or `light`.
        dropout: before the last linear layer, and on what the transformer's blocks add; None for the head's own, 0.1
            for the transformer.
        dim, depth, heads: width, blocks and attention heads of the transformer; `dim` is a multiple of `heads`.
        same_padding: pad strided convolutions as TensorFlow does; for MobileNetV2, which has weights from there.

    Shape: float `[B, C, T, H, W]`, normalised, H and W from 32, to logits `[B, num_classes]`. Any T, except with
    temporal shift. `features` are `[B, D]`; `[B, T, D]` for the transformer;
    `[B, T, D, ceil(H / 32), ceil(W / 32)]` for `head=conv` and `baseline`.

    Raises:
        ConfigError: if there is no such head or pooling.
        ValueError: if head and pooling do not fit each other, or frames are too small.
    """

    pretrained_prefix = "backbone."

    def __init__(
        self,
        name: str,
        /,
        *,
        clip_shape: tuple[int, int, int, int],
        num_classes: int,
        head: str = "linear",
        pooling: str = "average",
        dropout: float | None = None,
        dim: int = 256,
        depth: int = 2,
        heads: int = 4,
        same_padding: bool = False,
    ) -> None:
        super().__init__()
        check_choice("model.args.head", head, DROPOUT)
        check_choice("model.args.pooling", pooling, POOLINGS)
        channels, frames, *sides = clip_shape
        if min(sides) < TOTAL_STRIDE:
            raise ValueError(f"frames of {sides[0]}x{sides[1]}: expected at least {TOTAL_STRIDE}x{TOTAL_STRIDE}")
        if pooling == "transformer" and head in MAP_HEADS:
            raise ValueError(f"head={head}: pooling=transformer goes with head=linear or light")
        if same_padding and name != "mobilenet_v2":
            raise ValueError("same_padding=true: only mobilenet_v2 has weights that were trained so")
        self.classifier_prefix = "fc." if name.startswith("resnet") else "classifier.1."
        self.pooling, self.frames, self.sees_maps = pooling, frames, head in MAP_HEADS
        self.backbone = FrameBackbone(name, channels=channels, same_padding=same_padding)
        if pooling == "temporal_shift":
            add_temporal_shift(self.backbone, frames=frames)
        features = self.backbone.channels
        if self.sees_maps:
            height, width = (-(-side // TOTAL_STRIDE) for side in sides)
            self.head = map_head(head, features, num_classes, dropout=dropout, map_size=(height, width))
        else:
            encoder = {"frames": frames, "dim": dim, "depth": depth, "heads": heads}
            self.head = pooled_head(features, num_classes, head=head, pooling=pooling, dropout=dropout, **encoder)

    def weight_names(self) -> Mapping[str, str]:
        return self.backbone.weight_names()

    def features(self, clip_BCTHW: Tensor) -> Tensor:
        """The head's input.

        Raises:
            ValueError: if temporal shift was made for another T.
        """
        frames = clip_BCTHW.shape[2]
        if self.pooling == "temporal_shift" and frames != self.frames:
            raise ValueError(f"clips of {frames} frames: pooling=temporal_shift was made for {self.frames}")
        # For a channels_last_3d clip this is a view, and its frames are channels_last.
        frames_NCHW = clip_BCTHW.transpose(1, 2).flatten(0, 1)
        maps_BTDHW: Tensor = self.backbone(frames_NCHW).unflatten(0, (-1, frames))
        if self.sees_maps:
            return maps_BTDHW
        frames_BTD = maps_BTDHW.mean(dim=(3, 4))
        return frames_BTD if self.pooling == "transformer" else frames_BTD.mean(dim=1)

    def stages(self) -> list[nn.Module]:
        return self.backbone.stages()
