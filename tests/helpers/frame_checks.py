"""Image networks with random weights whose outputs still differ between inputs."""

from typing import TypeVar

import torch
from helpers.network_checks import stir
from torch import Tensor, nn

M = TypeVar("M", bound=nn.Module)


def settle(network: M, batch: Tensor) -> M:
    """Give norms distinct values and the statistics of `batch`; with fresh ones all inputs give the same output."""
    stir(network)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.reset_running_stats()
            module.momentum = None  # average over the batch below
    with torch.no_grad():
        network.train()(batch)
    return network.eval()
