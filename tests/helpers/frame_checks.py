"""Image networks with random weights whose outputs still tell inputs apart."""

from typing import TypeVar

import torch
from helpers.network_checks import stir
from torch import Tensor, nn

M = TypeVar("M", bound=nn.Module)


def settle(network: M, batch: Tensor) -> M:
    """Norms with values told apart and with the statistics of noise: of fresh ones all inputs give the same."""
    stir(network)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.reset_running_stats()
            module.momentum = None  # the average of what follows
    with torch.no_grad():
        network.train()(batch)
    return network.eval()
