"""Any image network of timm on every frame of a clip, by its name there."""

from collections.abc import Mapping
from typing import Any

import timm
from torch import Tensor, nn

from action_recognition.errors import ConfigError, check_choice, did_you_mean
from action_recognition.models.networks.base import ActionNetwork
from action_recognition.models.networks.frame_heads import pooled_head

POOLINGS = ("average", "transformer")


class TimmFrames(ActionNetwork):
    """An image network of timm (Wightman 2019, github.com/huggingface/pytorch-image-models) on each frame.

    timm's module tree stays whole under `backbone`, without its classifier, so that its published weights fit by name.

    Args:
        clip_shape: `(C, T, H, W)` of the input. The transformer's positions are made for T, and networks of a fixed
            input size for H and W.
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
        if not timm.is_model(backbone):
            close = did_you_mean(backbone, timm.list_models())
            raise ConfigError(f"model.args.backbone={backbone}: expected one of timm.list_models(){close}")
        config = timm.get_pretrained_cfg(backbone)
        size: dict[str, Any] = {"img_size": clip_shape[2:]} if config and config.fixed_input_size else {}
        self.backbone = timm.create_model(backbone, pretrained=False, in_chans=clip_shape[0], num_classes=0, **size)
        self.classifier_prefix = f"{self.backbone.default_cfg.get('classifier')}."
        self.prefix_tokens = int(getattr(self.backbone, "num_prefix_tokens", 0))
        self.channels_last = str(getattr(self.backbone, "output_fmt", "")) == "NHWC"
        width = int(self.backbone.num_features)
        encoder = {"frames": clip_shape[1], "dim": dim, "depth": depth, "heads": heads}
        self.head = pooled_head(width, num_classes, head="linear", pooling=pooling, dropout=dropout, **encoder)

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
