"""What every network is: a backbone that makes features, and a head that makes logits of them."""

from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor, nn


class ActionNetwork(nn.Module):
    """A network in two parts, so that a frozen backbone's features can be kept and stages trained differently.

    A subclass sets `head` and writes `features` and `stages`. For published weights it says under which name their
    keys lie here (`pretrained_prefix`), and which of their keys are the classifier's (`classifier_prefix`).

    Shape: float `[B, C, T, H, W]`, normalised, to logits `[B, num_classes]`.
    """

    pretrained_prefix: ClassVar[str] = ""
    classifier_prefix: ClassVar[str | None] = None

    head: nn.Module

    @classmethod
    def weight_names(cls) -> Mapping[str, str]:
        """Published weights: name to URL, whose file name ends in the start of its SHA-256 (`name-0a1b2c3d.pth`)."""
        return {}

    def features(self, clip_BCTHW: Tensor) -> Tensor:
        """What the head is given: `[B, D]`, or `[B, T, D]` and the like where the head looks at frames."""
        raise NotImplementedError

    def stages(self) -> list[nn.Module]:
        """The parts of the backbone from input to output; together with the head they hold every parameter."""
        raise NotImplementedError

    def forward(self, clip_BCTHW: Tensor) -> Tensor:
        logits_BK: Tensor = self.head(self.features(clip_BCTHW))
        return logits_BK
