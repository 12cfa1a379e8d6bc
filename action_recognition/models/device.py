"""Which device computes."""

import torch


def training_device(accelerator: str) -> torch.device:
    """The device that Lightning will train on under `trainer.accelerator`."""
    if accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available():
        return torch.device("cuda", 0)
    if accelerator in ("auto", "gpu", "mps") and torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")
