"""What every network is: a backbone that makes features, and a head that makes logits of them."""

from torch import Tensor, nn


class ActionNetwork(nn.Module):
    """A network in two parts, so that a frozen backbone's features can be kept and stages trained differently.

    A subclass sets `head` and writes `features` and `stages`.

    Shape: float `[B, C, T, H, W]`, normalised, to logits `[B, num_classes]`.
    """

    head: nn.Module

    def features(self, clip_BCTHW: Tensor) -> Tensor:
        """What the head is given: `[B, D]`, or `[B, T, D]` and the like where the head looks at frames."""
        raise NotImplementedError

    def stages(self) -> list[nn.Module]:
        """The parts of the backbone from input to output; together with the head they hold every parameter."""
        raise NotImplementedError

    def forward(self, clip_BCTHW: Tensor) -> Tensor:
        logits_BK: Tensor = self.head(self.features(clip_BCTHW))
        return logits_BK
