"""Optimizers and learning-rate schedules."""

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch.nn import Parameter

from action_recognition.config import OptimizerConfig


def schedule_factor(step: int, *, total: int, warmup: int, schedule: str) -> float:
    """Share of the full learning rate at optimizer step `step`: linear warm-up, then cosine to zero or constant."""
    if step < warmup:
        return (step + 1) / (warmup + 1)
    if schedule == "constant":
        return 1.0
    progress = (step - warmup) / max(1, total - warmup)
    return 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))


def make_optimizer(
    parameters: Iterable[Parameter], config: OptimizerConfig, total_steps: int, steps_per_epoch: int
) -> dict[str, Any]:
    """What `configure_optimizers` returns: the optimizer and a per-step schedule.

    Weight decay leaves out biases and norms, as Goyal et al. (2017, arXiv:1706.02677) do.
    """
    trained = [parameter for parameter in parameters if parameter.requires_grad]
    groups = [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": config.weight_decay},
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
    ]
    makers = {
        "adam": lambda: torch.optim.Adam(groups, lr=config.lr),
        "adamw": lambda: torch.optim.AdamW(groups, lr=config.lr),
        "sgd": lambda: torch.optim.SGD(groups, lr=config.lr, momentum=0.9, nesterov=True),
    }
    optimizer = makers[config.name]()
    warmup = min(round(config.warmup_epochs * steps_per_epoch), total_steps // 2)
    scheduler = torch.optim.lr_scheduler.LambdaLR(
        optimizer,
        lambda step: schedule_factor(step, total=total_steps, warmup=warmup, schedule=config.schedule),
    )
    return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}
