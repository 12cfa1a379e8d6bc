"""Which device computes."""

import os

import torch

from action_recognition.config import TrainerConfig
from action_recognition.errors import ConfigError


def training_device(accelerator: str) -> torch.device:
    """The device that Lightning will train on under `trainer.accelerator`.

    Raises:
        ConfigError: if a GPU is asked for and there is none.
    """
    if accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available():
        return torch.device("cuda", 0)
    if accelerator in ("auto", "gpu", "mps") and torch.backends.mps.is_available():
        return torch.device("mps")
    if accelerator not in ("auto", "cpu"):
        raise ConfigError(f"trainer.accelerator={accelerator}: no such device here; expected auto or cpu")
    return torch.device("cpu")


def check_devices(trainer: TrainerConfig) -> None:
    """Refuse more processes than there are GPUs, or cores where the CPU computes.

    Raises:
        ConfigError: with the number there is.
    """
    device = training_device(trainer.accelerator)
    if trainer.devices == "auto":
        return
    there = {"cuda": torch.cuda.device_count(), "cpu": os.cpu_count() or 1}.get(device.type, 1)
    if int(trainer.devices) > there:
        what = "cores" if device.type == "cpu" else "GPUs"
        raise ConfigError(f"trainer.devices={trainer.devices}: this machine has {there} {what}; expected 1 to {there}")
