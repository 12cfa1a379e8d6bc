"""Which device computes, and what it is called."""

import torch

from action_recognition.errors import ConfigError
from action_recognition.utils.cpu import available_cores, cpu_name


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


def check_devices(accelerator: str, devices: int | str) -> None:
    """Refuse more processes (`trainer.devices`) than there are GPUs, or usable cores where the CPU computes.

    Raises:
        ConfigError: with the number there is.
    """
    device = training_device(accelerator)
    if devices == "auto":
        return
    there = {"cuda": torch.cuda.device_count(), "cpu": available_cores()}.get(device.type, 1)
    if int(devices) > there:
        what = "usable cores" if device.type == "cpu" else "GPUs"
        raise ConfigError(f"trainer.devices={devices}: this machine has {there} {what}; expected 1 to {there}")


def device_name(device: torch.device, count: int = 1) -> str:
    """`NVIDIA H100`, `AMD EPYC 7B13, 2 threads`; with `2 x` in front where `count` processes train."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else cpu_name()
    if device.type == "cpu":
        name = f"{name}, {torch.get_num_threads()} threads"
    return f"{count} x {name}" if count > 1 else name
