"""What every network is: a backbone that computes features, and a head that turns them into logits."""

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn


class ActionNetwork(nn.Module):
    """A network in two parts: features of a frozen backbone can be cached, and stages trained at different rates.

    Every network takes `clip_shape`, `(C, T, H, W)` of the input, and `num_classes`, the number of outputs.
    A subclass sets `head` and implements `features` and `stages`. For published weights it names the prefix that their
    keys have here (`pretrained_prefix`), and the prefix of their classifier (`classifier_prefix`).

    Shape: float `[B, C, T, H, W]`, normalised, to logits `[B, num_classes]`.
    """

    pretrained_prefix: ClassVar[str] = ""
    classifier_prefix: str | None = None
    # How a transformer lays out what is inside of it, see `models.map_layouts`.
    channels_last: bool = False
    prefix_tokens: int = 0  # in front of those of places: the class token, registers
    token_stride: int = 1  # frames to a token

    head: nn.Module

    def weight_names(self) -> Mapping[str, str]:
        """Published weights: name to URL, whose file name ends in the start of its SHA-256 (`name-0a1b2c3d.pth`)."""
        return {}

    def features(self, clip_BCTHW: Tensor) -> Tensor:
        """The head's input: `[B, D]`, or `[B, T, D]` and the like for a head that looks at frames."""
        raise NotImplementedError

    def stages(self) -> list[nn.Module]:
        """The parts of the backbone from input to output; together with the head they hold every parameter."""
        raise NotImplementedError

    def forward(self, clip_BCTHW: Tensor) -> Tensor:
        logits_BK: Tensor = self.head(self.features(clip_BCTHW))
        return logits_BK

    def to(self, *args: Any, **kwargs: Any) -> Self:
        """As for any module, but `channels_last_3d`, which torch refuses for 2D weights, makes them `channels_last`."""
        if kwargs.get("memory_format") is not torch.channels_last_3d:
            return super().to(*args, **kwargs)
        others = {name: value for name, value in kwargs.items() if name != "memory_format"}
        if args or others:
            super().to(*args, **others)
        return self._apply(_channels_last)


def linear_head(width: int, num_classes: int, dropout: float) -> nn.Sequential:
    """Features `[B, width]` to logits."""
    return nn.Sequential(nn.Dropout(dropout), nn.Linear(width, num_classes))


def _channels_last(tensor: Tensor) -> Tensor:
    formats = {4: torch.channels_last, 5: torch.channels_last_3d}
    return tensor.contiguous(memory_format=formats[tensor.ndim]) if tensor.ndim in formats else tensor
