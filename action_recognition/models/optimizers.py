"""Optimizers, learning rates by stage, and learning-rate schedules."""

import math
from typing import Any

import torch
from torch import nn

from action_recognition.config import OptimizerConfig
from action_recognition.models.networks.base import ActionNetwork


def schedule_factor(step: int, *, total: int, warmup: int, schedule: str) -> float:
    """Share of the full learning rate at optimizer step `step`: linear warm-up, then constant or a cosine to zero."""
    if step < warmup:
        return (step + 1) / (warmup + 1)
    if schedule == "constant":
        return 1.0
    progress = (step - warmup) / max(1, total - warmup)
    return 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))


def parameter_groups(network: ActionNetwork, config: OptimizerConfig) -> list[dict[str, Any]]:
    """Groups of parameters: the head at `config.lr`, each stage towards the input at `layer_decay` of the one behind.

    Layer-wise rates are those of ULMFiT (Howard and Ruder 2018, arXiv:1801.06146) and BEiT. Weight decay leaves out
    biases and norms, as Goyal et al. (2017, arXiv:1706.02677) do. Frozen parameters are included, for when they thaw:
    optimizers skip parameters without a gradient.
    """
    parts: list[nn.Module] = [network.head, *reversed(network.stages())]
    groups = []
    for depth, part in enumerate(parts):
        rate = config.lr * config.layer_decay**depth
        for decays in (True, False):
            if parameters := [p for p in part.parameters() if (p.ndim > 1) == decays]:
                weight_decay = config.weight_decay if decays else 0.0
                groups.append({"params": parameters, "lr": rate, "weight_decay": weight_decay})
    return groups


def make_optimizer(
    network: ActionNetwork, config: OptimizerConfig, total_steps: int, steps_per_epoch: int
) -> dict[str, Any]:
    """What `configure_optimizers` returns: the optimizer and a per-step schedule."""
    groups = parameter_groups(network, config)
    makers = {
        "adam": lambda: torch.optim.Adam(groups, lr=config.lr),
        "adamw": lambda: torch.optim.AdamW(groups, lr=config.lr),
        "sgd": lambda: torch.optim.SGD(groups, lr=config.lr, momentum=config.momentum, nesterov=config.momentum > 0),
    }
    optimizer = makers[config.name]()
    warmup = min(round(config.warmup_epochs * steps_per_epoch), total_steps // 2)
    scheduler = torch.optim.lr_scheduler.LambdaLR(
        optimizer,
        lambda step: schedule_factor(step, total=total_steps, warmup=warmup, schedule=config.schedule),
    )
    return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}
