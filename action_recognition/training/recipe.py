"""Callbacks of the recipe: a frozen backbone, whose stages may thaw one after another, and averaged weights."""

import lightning as L
from lightning.pytorch.callbacks import Callback, WeightAveraging
from torch import Tensor

from action_recognition.config import TrainerConfig
from action_recognition.models.networks.base import ActionNetwork


def recipe_callbacks(settings: TrainerConfig) -> list[Callback]:
    frozen = [FreezeBackbone(settings.unfreeze_every)] if settings.freeze == "backbone" else []
    return [*frozen, *([] if settings.ema_decay is None else [weight_average(settings.ema_decay)])]


def weight_average(decay: float) -> WeightAveraging:
    """A callback that averages weights; validation and checkpoints use the average.

    At first the decay is smaller, `min(decay, (1 + n) / (10 + n))` after `n` updates, as in TensorFlow's
    `ExponentialMovingAverage`: otherwise the average of a short training would mostly be its initial weights.
    """

    def average(averaged: Tensor, current: Tensor, updates: Tensor | int) -> Tensor:
        if not averaged.is_floating_point():  # such as the number of batches in a norm
            return current
        count = float(updates)
        return averaged.lerp(current, 1 - min(decay, (1 + count) / (10 + count)))

    return WeightAveraging(avg_fn=average, use_buffers=True)


def trained_stages(network: ActionNetwork, *, epoch: int, unfreeze_every: int | None) -> int:
    """The number of stages, counted from the head, that are trained in an epoch besides the head."""
    return min(len(network.stages()), epoch // unfreeze_every) if unfreeze_every else 0


class FreezeBackbone(Callback):
    """Freeze the backbone; every `unfreeze_every` epochs, thaw one more stage, starting at the output.

    Thawing from the head towards the input is ULMFiT's gradual unfreezing (Howard and Ruder 2018, arXiv:1801.06146).
    Batch norm of a frozen stage normalises with its stored statistics and does not change them.
    """

    def __init__(self, unfreeze_every: int | None = None) -> None:
        self.unfreeze_every = unfreeze_every

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        # Before the processes of a distributed training agree on what they exchange.
        self.on_train_epoch_start(trainer, pl_module)

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        network: ActionNetwork = pl_module.network
        stages = network.stages()
        trained = trained_stages(network, epoch=trainer.current_epoch, unfreeze_every=self.unfreeze_every)
        frozen = len(stages) - trained
        for number, part in enumerate(stages):
            part.requires_grad_(number >= frozen)
            part.train(number >= frozen and network.training)
