"""Any image network of timm on every frame of a clip, by its name there."""

from collections.abc import Mapping
from typing import Any

import timm
from torch import Tensor, nn

from action_recognition.errors import ConfigError, check_choice, did_you_mean
from action_recognition.models.networks.base import ActionNetwork
from action_recognition.models.networks.frame_heads import pooled_head
from action_recognition.models.networks.temporal_pooling import TransformerHead

POOLINGS = ("average", "transformer")


class TimmFrames(ActionNetwork):
    """An image network of timm (Wightman 2019, github.com/huggingface/pytorch-image-models) on each frame.

    timm's module tree stays whole under `backbone`, without its classifier, so that its published weights fit by name.

    Args:
        clip_shape: `(C, T, H, W)` of the input. T is what the transformer's positions are made for; H and W are what
            networks of a fixed input size are made for.
        num_classes: outputs.
        backbone: one of `timm.list_models()`, such as `convnext_atto`.
        pooling: over time. `average` of the frames' features (TSN, Wang et al. 2016, arXiv:1608.00859), or a
            `transformer` encoder over them.
        dropout: before the linear layer, and on what the transformer's blocks add; None for 0.5, 0.1 there.
        dim, depth, heads: of the transformer.

    Shape: float `[B, C, T, H, W]`, normalised, to logits `[B, num_classes]`; features `[B, D]`, `[B, T, D]` for the
    transformer.

    Raises:
        ConfigError: if there is no such backbone or pooling.
    """

    pretrained_prefix = "backbone."
    backbone: Any  # what timm sets on its modules has no types

    def __init__(
        self,
        *,
        clip_shape: tuple[int, int, int, int],
        num_classes: int,
        backbone: str,
        pooling: str = "average",
        dropout: float | None = None,
        dim: int = 256,
        depth: int = 2,
        heads: int = 4,
    ) -> None:
        super().__init__()
        check_choice("model.args.pooling", pooling, POOLINGS)
        self.name, self.pooling = backbone, pooling
        self.backbone = _make_backbone(backbone, clip_shape)
        self.classifier_prefix = f"{self.backbone.default_cfg.get('classifier')}."
        width = int(self.backbone.num_features)
        if pooling == "transformer":
            share = 0.1 if dropout is None else dropout
            encoder = {"frames": clip_shape[1], "dim": dim, "depth": depth, "heads": heads}
            self.head: nn.Module = TransformerHead(features=width, num_classes=num_classes, dropout=share, **encoder)
        else:
            self.head = pooled_head(width, num_classes, dropout=0.5 if dropout is None else dropout)

    def weight_names(self) -> Mapping[str, str]:
        """timm's tags of this backbone whose weights are a plain file of torch, such as `a1_in1k`."""
        configs = {name: timm.get_pretrained_cfg(name) for name in timm.list_pretrained(f"{self.name}.*")}
        urls = {config.tag or "": str(config.url) for config in configs.values() if config is not None}
        return {tag: url for tag, url in urls.items() if url.endswith((".pth", ".pt", ".bin"))}

    def features(self, clip_BCTHW: Tensor) -> Tensor:
        frames_NCHW = clip_BCTHW.transpose(1, 2).flatten(0, 1)
        frames_BTD: Tensor = self.backbone(frames_NCHW).unflatten(0, (-1, clip_BCTHW.shape[2]))
        return frames_BTD if self.pooling == "transformer" else frames_BTD.mean(dim=1)

    def stages(self) -> list[nn.Module]:
        """The blocks of the network's sequences, each with what lies between it and the next."""
        groups: list[list[nn.Module]] = [[nn.ParameterList(self.backbone.parameters(recurse=False))]]
        for child in self.backbone.children():
            if isinstance(child, nn.Sequential | nn.ModuleList):
                groups += [[block] for block in child]
            else:
                groups[-1].append(child)
        stages = [nn.ModuleList(group) for group in groups]
        return [stage for stage in stages if any(True for _ in stage.parameters())]


def _make_backbone(name: str, clip_shape: tuple[int, int, int, int]) -> nn.Module:
    if not timm.is_model(name):
        close = did_you_mean(name, timm.list_models())
        raise ConfigError(f"model.args.backbone={name}: expected one of timm.list_models(){close}")
    config = timm.get_pretrained_cfg(name)
    size: dict[str, Any] = {"img_size": clip_shape[2:]} if config is not None and config.fixed_input_size else {}
    made: nn.Module = timm.create_model(name, pretrained=False, in_chans=clip_shape[0], num_classes=0, **size)
    return made
