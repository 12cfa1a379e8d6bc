"""Exponential moving average of the weights."""

from lightning.pytorch.callbacks import WeightAveraging
from torch import Tensor


def weight_average(decay: float) -> WeightAveraging:
    """A callback that averages weights; validation and checkpoints use the average.

    At first the decay is smaller, `min(decay, (1 + n) / (10 + n))` after `n` updates: otherwise the average of a short
    training would mostly be its initial weights (as in TensorFlow's `ExponentialMovingAverage`).
    """

    def average(averaged: Tensor, current: Tensor, updates: Tensor | int) -> Tensor:
        if not averaged.is_floating_point():  # such as the batches that a norm has seen
            return current
        count = float(updates)
        return averaged.lerp(current, 1 - min(decay, (1 + count) / (10 + count)))

    return WeightAveraging(avg_fn=average, use_buffers=True)
