"""Training the head alone, and the backbone's stages one after another."""

import lightning as L
from lightning.pytorch.callbacks import Callback

from action_recognition.models.networks.base import ActionNetwork


def trained_stages(network: ActionNetwork, *, epoch: int, unfreeze_every: int | None) -> int:
    """How many stages, counted from the head, are trained in an epoch besides the head."""
    return min(len(network.stages()), epoch // unfreeze_every) if unfreeze_every else 0


class FreezeBackbone(Callback):
    """Freeze the backbone; with `unfreeze_every` thaw one more stage, from the output on, after every so many epochs.

    Thawing from the head towards the input is ULMFiT's gradual unfreezing (Howard and Ruder 2018, arXiv:1801.06146).
    Batch norm of a frozen stage normalises with its stored statistics and does not change them.
    """

    def __init__(self, unfreeze_every: int | None = None) -> None:
        self.unfreeze_every = unfreeze_every

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        # Before the processes of a distributed training agree on what they exchange.
        self._apply(pl_module.network, epoch=trainer.current_epoch)

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._apply(pl_module.network, epoch=trainer.current_epoch)

    def _apply(self, network: ActionNetwork, *, epoch: int) -> None:
        stages = network.stages()
        frozen = len(stages) - trained_stages(network, epoch=epoch, unfreeze_every=self.unfreeze_every)
        for number, part in enumerate(stages):
            part.requires_grad_(number >= frozen)
            part.train(number >= frozen and network.training)
