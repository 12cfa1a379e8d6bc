"""Networks by name. A new one is a file here, a line in `NETWORKS` and a file in `conf/model/`."""

from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

from action_recognition.errors import ConfigError, check_choice
from action_recognition.models.networks.cnn3d import CNN3D

NETWORKS: Mapping[str, Callable[..., nn.Module]] = {"cnn3d": CNN3D}


def build_network(name: str, *, channels: int, num_classes: int, **args: Any) -> nn.Module:
    """Make the network `name`.

    Returns:
        A module from normalised float clips `[B, C, T, H, W]` to logits `[B, num_classes]`.

    Raises:
        ConfigError: if there is no such network, or it does not take `args`.
    """
    check_choice("model.network", name, NETWORKS)
    try:
        return NETWORKS[name](channels=channels, num_classes=num_classes, **args)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"model.args={args}: {name} does not take them ({error})") from None
