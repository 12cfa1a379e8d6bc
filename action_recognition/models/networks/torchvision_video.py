"""torchvision's video networks, with input of any channels and a head of their own.

torchvision's module tree stays whole under `backbone`, its classifier replaced by nothing, so that its published
weights (trained on Kinetics-400) fit by name.
"""

from collections.abc import Mapping, Sequence
from itertools import accumulate, pairwise
from typing import Any, ClassVar

from torch import Tensor, nn
from torchvision.models import get_model
from torchvision.models.video.mvit import MSBlockConfig, MViT
from torchvision.models.video.swin_transformer import SwinTransformer3d

from action_recognition.models.networks.base import ActionNetwork, linear_head
from action_recognition.models.networks.torchvision_backbones import published_weights, replace_stem


class TorchvisionVideo(ActionNetwork):
    """One of `torchvision.models.video`; a subclass says where its parts are.

    Args:
        name: torchvision's name of the network.
        dropout: before the linear layer; None for torchvision's own.
        options: further arguments of `build`.

    Shape: float `[B, C, T, H, W]`, normalised, to logits `[B, num_classes]`; features `[B, D]`.

    Raises:
        ValueError: if clips are of a shape that the network cannot take.
    """

    pretrained_prefix = "backbone."
    classifier: ClassVar[str]
    stem: ClassVar[str]
    default_dropout: ClassVar[float] = 0.0

    backbone: Any  # torchvision's modules are untyped

    def __init__(
        self,
        name: str,
        /,
        *,
        clip_shape: tuple[int, int, int, int],
        num_classes: int,
        dropout: float | None = None,
        **options: Any,
    ) -> None:
        super().__init__()
        self.name = name
        self.backbone = self.build(clip_shape[1:], **options)
        classifier = self.backbone.get_submodule(self.classifier)
        last = [module for module in classifier.modules() if isinstance(module, nn.Linear | nn.Conv3d)][-1]
        width = last.in_features if isinstance(last, nn.Linear) else last.in_channels
        self.backbone.set_submodule(self.classifier, nn.Identity())
        if clip_shape[0] != 3:
            replace_stem(self.backbone, self.stem, clip_shape[0])
        self.head = linear_head(width, num_classes, self.default_dropout if dropout is None else dropout)

    def build(self, clip_THW: Sequence[int], **options: Any) -> nn.Module:  # noqa: ARG002
        """torchvision's network with random weights, for clips of `clip_THW` if it is made for a size."""
        made: nn.Module = get_model(self.name, weights=None, **options)
        return made

    def weight_names(self) -> Mapping[str, str]:
        return published_weights(self.name)

    def features(self, clip_BCTHW: Tensor) -> Tensor:
        features_BD: Tensor = self.backbone(clip_BCTHW)
        return features_BD


class VideoResNet(TorchvisionVideo):
    """Residual networks of 18 layers (Tran et al. 2018, arXiv:1711.11248); any T, H and W.

    `r3d_18`: all convolutions 3x3x3. `mc3_18`: convolutions over time in the first stage only. `r2plus1d_18`: each
    convolution in two, over space and then over time.
    """

    classifier, classifier_prefix, stem = "fc", "fc.", "stem.0"

    def stages(self) -> list[nn.Module]:
        return [getattr(self.backbone, name) for name in ("stem", "layer1", "layer2", "layer3", "layer4")]


class S3D(TorchvisionVideo):
    """Separable 3D inception network (Xie et al. 2018, arXiv:1712.04851), with torchvision's fixed 2x7x7 pooling."""

    classifier, classifier_prefix = "classifier", "classifier.1."
    stem, default_dropout = "features.0.0.0", 0.2

    def build(self, clip_THW: Sequence[int], **options: Any) -> nn.Module:
        frames, *sides = clip_THW
        # Five halvings, all but the last rounding up, must leave 2 frames of 7x7 for the pooling.
        if frames < 13 or min(sides) < 209:
            raise ValueError(
                f"clips of {_shown(clip_THW)}: s3d takes them from 13x209x209, "
                "as with clip.frames=16 clip.short_side=256 clip.size=224"
            )
        return super().build(clip_THW, **options)

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

    classifier, classifier_prefix = "head", "head.1."
    stem, default_dropout = "conv_proj", 0.5
    prefix_tokens, token_stride = 1, 2

    def build(
        self,
        clip_THW: Sequence[int],
        *,
        stochastic_depth: float = 0.2,
        depths: Sequence[int] = (1, 2, 11, 2),
        **options: Any,
    ) -> nn.Module:
        _check_depths(depths)
        frames, *sides = clip_THW
        if frames < 2 or frames % 2 or min(sides) < 32 or any(side % 4 for side in sides):
            raise ValueError(
                f"clips of {_shown(clip_THW)}: mvit_v2_s takes an even number of frames and sides that "
                "are multiples of 4 from 32; set clip.frames and clip.size"
            )
        self.depths = tuple(depths)
        # torchvision's builder is for 16 frames of 224x224 only; this is what it does, for any size.
        return MViT(
            spatial_size=tuple(sides),
            temporal_size=frames,
            block_setting=_mvit_v2_blocks(depths),
            stochastic_depth_prob=stochastic_depth,
            residual_pool=True,
            residual_with_cls_embed=False,
            rel_pos_embed=True,
            proj_after_attn=True,
            **options,
        )

    def stages(self) -> list[nn.Module]:
        net = self.backbone
        stem = nn.ModuleList([net.conv_proj, net.pos_encoding])
        stages = [net.blocks[first:end] for first, end in pairwise(accumulate(self.depths, initial=0))]
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

    classifier, classifier_prefix, stem = "head", "head.", "patch_embed.proj"
    channels_last = True

    def build(
        self,
        clip_THW: Sequence[int],  # noqa: ARG002
        *,
        stochastic_depth: float = 0.1,
        depths: Sequence[int] = (2, 2, 6, 2),
        **options: Any,
    ) -> nn.Module:
        _check_depths(depths)
        # As torchvision's builder, which takes neither depths nor stochastic depth.
        sizes = {"patch_size": [2, 4, 4], "embed_dim": 96, "num_heads": [3, 6, 12, 24], "window_size": [8, 7, 7]}
        return SwinTransformer3d(**sizes, depths=list(depths), stochastic_depth_prob=stochastic_depth, **options)

    def stages(self) -> list[nn.Module]:
        net = self.backbone
        pairs = [net.features[first : first + 2] for first in range(0, 6, 2)]
        return [net.patch_embed, *pairs, nn.ModuleList([net.features[6], net.norm])]


def _check_depths(depths: Sequence[int]) -> None:
    if len(depths) != 4 or min(depths) < 1:
        raise ValueError(f"depths={list(depths)}: expected blocks of four stages, at least 1 each")


def _shown(clip_THW: Sequence[int]) -> str:
    return f"{'x'.join(map(str, clip_THW))} (frames x height x width)"
