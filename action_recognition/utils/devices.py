"""The device that computes, and its name."""

import torch

from action_recognition.errors import ConfigError
from action_recognition.utils.cpu import available_cores, cpu_name


def training_device(accelerator: str) -> torch.device:
    """The device that Lightning will train on under `trainer.accelerator`.

    Raises:
        ConfigError: if it asks for a GPU and there is none.
    """
    if accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available():
        return torch.device("cuda", 0)
    if accelerator in ("auto", "gpu", "mps") and torch.backends.mps.is_available():
        return torch.device("mps")
    if accelerator not in ("auto", "cpu"):
        raise ConfigError(f"trainer.accelerator={accelerator}: no such device here; expected auto or cpu")
    return torch.device("cpu")


def check_devices(accelerator: str, devices: int | str) -> None:
    """Raise `ConfigError` if `trainer.devices` exceeds the number of GPUs or, on the CPU, of usable cores."""
    device = training_device(accelerator)
    if devices == "auto":
        return
    available = {"cuda": torch.cuda.device_count(), "cpu": available_cores()}.get(device.type, 1)
    if int(devices) > available:
        what = "usable cores" if device.type == "cpu" else "GPUs"
        raise ConfigError(f"trainer.devices={devices}: this machine has {available} {what}; expected 1 to {available}")


def device_name(device: torch.device, count: int = 1) -> str:
    """`NVIDIA H100` or `AMD EPYC 7B13, 2 threads`; `2 x NVIDIA H100` for `count` 2."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else cpu_name()
    if device.type == "cpu":
        name = f"{name}, {torch.get_num_threads()} threads"
    return f"{count} x {name}" if count > 1 else name
