"""Frame networks: an image network on every frame of a clip, its frames pooled in one of three ways."""

from collections.abc import Mapping
from typing import Any, ClassVar

from torch import Tensor, nn

from action_recognition.errors import check_choice
from action_recognition.models.networks.base import ActionNetwork
from action_recognition.models.networks.frame_backbones import (
    TOTAL_STRIDE,
    backbone_stages,
    make_frame_backbone,
    map_channels,
    published_weights,
)
from action_recognition.models.networks.frame_heads import (
    DROPOUT,
    HEADS,
    MAP_HEADS,
    baseline_head,
    conv_head,
    pooled_head,
)
from action_recognition.models.networks.same_padding import use_same_padding
from action_recognition.models.networks.temporal_pooling import TransformerHead
from action_recognition.models.networks.temporal_shift import add_temporal_shift

POOLINGS = ("average", "temporal_shift", "transformer")
TRANSFORMER_DROPOUT = 0.1


class FrameNetwork(ActionNetwork):
    """A 2D backbone on each frame; a still is a clip of one.

    Args:
        clip_shape: `(C, T, H, W)` of the input. T is what positions and temporal shift are made for, H and W what
            `head=baseline` is made for.
        num_classes: outputs.
        head: what turns a frame's feature map `[D, h, w]` into logits.
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
        dim: of the transformer, a multiple of `heads`.
        depth: of the transformer, in blocks.
        heads: of the transformer's attention.

    Shape: float `[B, C, T, H, W]`, normalised, H and W from 32, to logits `[B, num_classes]`. Any T, except with
    temporal shift. What the head is given (`features`): `[B, D]`; `[B, T, D]` for the transformer;
    `[B, T, D, ceil(H / 32), ceil(W / 32)]` for `head=conv` and `baseline`.

    Raises:
        ConfigError: if there is no such head or pooling.
        ValueError: if head and pooling do not fit each other, or frames are too small.
    """

    backbone_name: ClassVar[str]
    pretrained_prefix = "backbone."

    def __init__(
        self,
        *,
        clip_shape: tuple[int, int, int, int],
        num_classes: int,
        head: str = "linear",
        pooling: str = "average",
        dropout: float | None = None,
        dim: int = 256,
        depth: int = 2,
        heads: int = 4,
    ) -> None:
        super().__init__()
        check_choice("model.args.head", head, HEADS)
        check_choice("model.args.pooling", pooling, POOLINGS)
        channels, frames, height, width = clip_shape
        if min(height, width) < TOTAL_STRIDE:
            raise ValueError(f"frames of {height}x{width}: expected at least {TOTAL_STRIDE}x{TOTAL_STRIDE}")
        if pooling == "transformer" and head in MAP_HEADS:
            raise ValueError(f"head={head}: pooling=transformer goes with head=linear or light")
        self.pooling, self.frames, self.sees_maps = pooling, frames, head in MAP_HEADS
        self.backbone = make_frame_backbone(self.backbone_name, channels=channels)
        if pooling == "temporal_shift":
            add_temporal_shift(self.backbone, frames=frames)
        out = map_channels(self.backbone)
        if pooling == "transformer":
            p = TRANSFORMER_DROPOUT if dropout is None else dropout
            encoder = {"dim": dim, "depth": depth, "heads": heads, "dropout": p}
            self.head = TransformerHead(features=out, frames=frames, num_classes=num_classes, **encoder)  # type: ignore[arg-type]
        else:
            p = DROPOUT[head] if dropout is None else dropout
            self.head = _frame_head(head, out, num_classes, dropout=p, frame_size=(height, width))

    def weight_names(self) -> Mapping[str, str]:
        return published_weights(self.backbone_name)

    def maps(self, clip_BCTHW: Tensor) -> Tensor:
        """The backbone's last map of every frame, `[B, T, D, h, w]`.

        Raises:
            ValueError: if temporal shift was made for another T.
        """
        frames = clip_BCTHW.shape[2]
        if self.pooling == "temporal_shift" and frames != self.frames:
            raise ValueError(f"clips of {frames} frames: pooling=temporal_shift was made for {self.frames}")
        # Of a channels_last_3d clip this is a view, and its frames are channels_last.
        frames_NCHW = clip_BCTHW.transpose(1, 2).flatten(0, 1)
        maps_BTDHW: Tensor = self.backbone(frames_NCHW).unflatten(0, (-1, frames))
        return maps_BTDHW

    def features(self, clip_BCTHW: Tensor) -> Tensor:
        maps_BTDHW = self.maps(clip_BCTHW)
        if self.sees_maps:
            return maps_BTDHW
        frames_BTD = maps_BTDHW.mean(dim=(3, 4))
        return frames_BTD if self.pooling == "transformer" else frames_BTD.mean(dim=1)

    def stages(self) -> list[nn.Module]:
        return backbone_stages(self.backbone)


def _frame_head(
    name: str, channels: int, num_classes: int, *, dropout: float, frame_size: tuple[int, int]
) -> nn.Module:
    if name == "conv":
        return conv_head(channels, num_classes, dropout=dropout)
    if name == "baseline":
        height, width = (-(-size // TOTAL_STRIDE) for size in frame_size)
        return baseline_head(channels, num_classes, dropout=dropout, map_size=(height, width))
    return pooled_head(channels, num_classes, dropout=dropout)


class ResNet18(FrameNetwork):
    """He et al. 2016, arXiv:1512.03385; D = 512."""

    backbone_name = "resnet18"
    classifier_prefix = "fc."


class ResNet50(FrameNetwork):
    """He et al. 2016, arXiv:1512.03385, stride in the 3x3 convolutions; D = 2048."""

    backbone_name = "resnet50"
    classifier_prefix = "fc."


class EfficientNetB0(FrameNetwork):
    """Tan and Le 2019, arXiv:1905.11946; D = 1280."""

    backbone_name = "efficientnet_b0"
    classifier_prefix = "classifier.1."


class EfficientNetB7(FrameNetwork):
    """Tan and Le 2019, arXiv:1905.11946; D = 2560. 64 million parameters."""

    backbone_name = "efficientnet_b7"
    classifier_prefix = "classifier.1."


class MobileNetV2(FrameNetwork):
    """Sandler et al. 2018, arXiv:1801.04381; D = 1280.

    Args:
        same_padding: pad strided convolutions as TensorFlow does, for weights that were trained there.
        args: as of `FrameNetwork`.
    """

    backbone_name = "mobilenet_v2"
    classifier_prefix = "classifier.1."

    def __init__(self, *, same_padding: bool = False, **args: Any) -> None:
        super().__init__(**args)
        if same_padding:
            use_same_padding(self.backbone)
