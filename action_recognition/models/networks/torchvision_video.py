"""torchvision's video networks, with input of any channels and a head of their own.

torchvision's module tree stays whole under `backbone`, its classifier replaced by nothing, so that its published
weights (trained on Kinetics-400) fit by name.
"""

from collections.abc import Mapping, Sequence
from itertools import accumulate, pairwise
from typing import Any, ClassVar

from torch import Tensor, nn
from torchvision.models import get_model, get_model_weights
from torchvision.models.video.mvit import MSBlockConfig, MViT
from torchvision.models.video.swin_transformer import SwinTransformer3d

from action_recognition.models.networks.base import ActionNetwork


class TorchvisionVideo(ActionNetwork):
    """One of `torchvision.models.video`; a subclass names it and says where its parts are.

    Args:
        clip_shape: `(C, T, H, W)` of the input.
        num_classes: outputs.
        dropout: before the linear layer; None for torchvision's own.
        options: what torchvision's builder takes besides.

    Shape: float `[B, C, T, H, W]`, normalised, to logits `[B, num_classes]`; features `[B, D]`.

    Raises:
        ValueError: if clips are of a shape that the network cannot take.
    """

    pretrained_prefix = "backbone."
    builder: ClassVar[str]
    classifier: ClassVar[str]
    stem: ClassVar[str]
    default_dropout: ClassVar[float] = 0.0

    backbone: Any  # torchvision's modules are untyped

    def __init__(
        self,
        *,
        clip_shape: tuple[int, int, int, int],
        num_classes: int,
        dropout: float | None = None,
        **options: Any,
    ) -> None:
        super().__init__()
        self.check_clip(*clip_shape[1:])
        self.backbone = self.build(clip_shape[1:], **options)
        width = _last_width(self.backbone.get_submodule(self.classifier))
        self.backbone.set_submodule(self.classifier, nn.Identity())
        if clip_shape[0] != 3:
            stem = self.backbone.get_submodule(self.stem)
            assert isinstance(stem, nn.Conv3d)
            self.backbone.set_submodule(self.stem, _stem_of(stem, clip_shape[0]))
        share = self.default_dropout if dropout is None else dropout
        self.head = nn.Sequential(nn.Dropout(share), nn.Linear(width, num_classes))

    @classmethod
    def check_clip(cls, frames: int, height: int, width: int) -> None:
        """Raise ValueError, naming what is allowed, if the network cannot take such clips."""

    @classmethod
    def build(cls, clip_THW: Sequence[int], **options: Any) -> nn.Module:  # noqa: ARG003
        """torchvision's network with random weights, for clips of `clip_THW` where it is made for a size."""
        made: nn.Module = get_model(cls.builder, weights=None, **options)
        return made

    def weight_names(self) -> Mapping[str, str]:
        # __members__, because DEFAULT is another name of one of them.
        return {name: weight.url for name, weight in get_model_weights(self.builder).__members__.items()}

    def features(self, clip_BCTHW: Tensor) -> Tensor:
        features_BD: Tensor = self.backbone(clip_BCTHW)
        return features_BD


def _last_width(classifier: nn.Module) -> int:
    """Channels that the classifier is given: its only linear layer's, or 1x1x1 convolution's."""
    last = [module for module in classifier.modules() if isinstance(module, nn.Linear | nn.Conv3d)][-1]
    return last.in_features if isinstance(last, nn.Linear) else last.in_channels


def _stem_of(stem: nn.Conv3d, channels: int) -> nn.Conv3d:
    made = nn.Conv3d(
        channels,
        stem.out_channels,
        kernel_size=stem.kernel_size,  # type: ignore[arg-type]
        stride=stem.stride,  # type: ignore[arg-type]
        padding=stem.padding,  # type: ignore[arg-type]
        bias=stem.bias is not None,
    )
    nn.init.kaiming_normal_(made.weight, mode="fan_out", nonlinearity="relu")
    return made


class _VideoResNet(TorchvisionVideo):
    """Residual networks of 18 layers (Tran et al. 2018, arXiv:1711.11248); any T, H and W."""

    classifier, classifier_prefix, stem = "fc", "fc.", "stem.0"

    def stages(self) -> list[nn.Module]:
        return [getattr(self.backbone, name) for name in ("stem", "layer1", "layer2", "layer3", "layer4")]


class R3D18(_VideoResNet):
    """All convolutions 3x3x3 (Tran et al. 2018, arXiv:1711.11248)."""

    builder = "r3d_18"


class MC318(_VideoResNet):
    """Convolutions over time in the first stage only (Tran et al. 2018, arXiv:1711.11248)."""

    builder = "mc3_18"


class R2Plus1D18(_VideoResNet):
    """Each convolution in two: over space, then over time (Tran et al. 2018, arXiv:1711.11248)."""

    builder = "r2plus1d_18"


class S3D(TorchvisionVideo):
    """Separable 3D inception network (Xie et al. 2018, arXiv:1712.04851), with torchvision's fixed 2x7x7 pooling."""

    builder, classifier, classifier_prefix = "s3d", "classifier", "classifier.1."
    stem, default_dropout = "features.0.0.0", 0.2

    @classmethod
    def check_clip(cls, frames: int, height: int, width: int) -> None:
        # What five halvings, all but the last rounding up, must leave for the pooling: 2 frames of 7x7.
        if frames < 13 or min(height, width) < 209:
            given = f"{frames}x{height}x{width}"
            raise ValueError(
                f"clips of {given} (frames x height x width): s3d takes them from 13x209x209, "
                "as with clip.frames=16 clip.short_side=256 clip.size=224"
            )

    def stages(self) -> list[nn.Module]:
        layers = self.backbone.features
        return [layers[first:end] for first, end in ((0, 2), (2, 5), (5, 8), (8, 14), (14, 16))]


class MViTV2S(TorchvisionVideo):
    """Multiscale vision transformer, small (Li et al. 2022, arXiv:2112.01526), made for the size of the clips.

    Weights trained at another size are taken too: their tables of relative positions are interpolated.

    Args:
        stochastic_depth: share of blocks left out in training, at the last one.
        depths: blocks in each of the four stages.
    """

    builder, classifier, classifier_prefix = "mvit_v2_s", "head", "head.1."
    stem, default_dropout = "conv_proj", 0.5

    def __init__(
        self,
        *,
        clip_shape: tuple[int, int, int, int],
        num_classes: int,
        dropout: float | None = None,
        stochastic_depth: float = 0.2,
        depths: Sequence[int] = (1, 2, 11, 2),
    ) -> None:
        _check_depths(depths)
        super().__init__(
            clip_shape=clip_shape,
            num_classes=num_classes,
            dropout=dropout,
            stochastic_depth_prob=stochastic_depth,
            block_setting=_mvit_v2_blocks(depths),
        )
        self.depths = tuple(depths)

    @classmethod
    def build(cls, clip_THW: Sequence[int], **options: Any) -> nn.Module:
        # torchvision's builder is for 16 frames of 224x224 only; this is what it does, for any size.
        frames, height, width = clip_THW
        return MViT(
            spatial_size=(height, width),
            temporal_size=frames,
            residual_pool=True,
            residual_with_cls_embed=False,
            rel_pos_embed=True,
            proj_after_attn=True,
            **options,
        )

    @classmethod
    def check_clip(cls, frames: int, height: int, width: int) -> None:
        if frames < 2 or frames % 2 or min(height, width) < 32 or height % 4 or width % 4:
            given = f"{frames}x{height}x{width}"
            raise ValueError(
                f"clips of {given} (frames x height x width): mvit_v2_s takes an even number of frames and sides that "
                "are multiples of 4 from 32; set clip.frames and clip.size"
            )

    def stages(self) -> list[nn.Module]:
        net = self.backbone
        stem = nn.ModuleList([net.conv_proj, net.pos_encoding])
        ends = list(accumulate(self.depths, initial=0))
        stages = [net.blocks[first:end] for first, end in pairwise(ends)]
        return [stem, *stages[:-1], nn.ModuleList([*stages[-1], net.norm])]


def _mvit_v2_blocks(depths: Sequence[int]) -> list[MSBlockConfig]:
    """Blocks of four stages; each later stage has twice the heads and channels on half the height and width."""
    blocks = []
    channels = 96
    for stage, depth in enumerate(depths):
        for number in range(depth):
            step = 2 if stage and not number else 1
            blocks.append(
                MSBlockConfig(
                    num_heads=2**stage,
                    input_channels=channels,
                    output_channels=96 * 2**stage,
                    kernel_q=[3, 3, 3],
                    kernel_kv=[3, 3, 3],
                    stride_q=[1, step, step],
                    stride_kv=[1, 8 >> stage, 8 >> stage],
                )
            )
            channels = 96 * 2**stage
    return blocks


class Swin3DT(TorchvisionVideo):
    """Video Swin transformer, tiny (Liu et al. 2022, arXiv:2106.13230); any T, H and W.

    Args:
        stochastic_depth: share of blocks left out in training, at the last one.
        depths: blocks in each of the four stages.
    """

    builder, classifier, classifier_prefix = "swin3d_t", "head", "head."
    stem = "patch_embed.proj"

    def __init__(
        self,
        *,
        clip_shape: tuple[int, int, int, int],
        num_classes: int,
        dropout: float | None = None,
        stochastic_depth: float = 0.1,
        depths: Sequence[int] = (2, 2, 6, 2),
    ) -> None:
        _check_depths(depths)
        super().__init__(
            clip_shape=clip_shape,
            num_classes=num_classes,
            dropout=dropout,
            stochastic_depth_prob=stochastic_depth,
            depths=list(depths),
        )

    @classmethod
    def build(cls, clip_THW: Sequence[int], **options: Any) -> nn.Module:  # noqa: ARG003
        # What torchvision's builder does, which takes neither depths nor stochastic depth.
        return SwinTransformer3d(
            patch_size=[2, 4, 4], embed_dim=96, num_heads=[3, 6, 12, 24], window_size=[8, 7, 7], **options
        )

    def stages(self) -> list[nn.Module]:
        net = self.backbone
        pairs = [net.features[first : first + 2] for first in range(0, 6, 2)]
        return [net.patch_embed, *pairs, nn.ModuleList([net.features[6], net.norm])]


def _check_depths(depths: Sequence[int]) -> None:
    if len(depths) != 4 or min(depths) < 1:
        raise ValueError(f"depths={list(depths)}: expected blocks of four stages, at least 1 each")
