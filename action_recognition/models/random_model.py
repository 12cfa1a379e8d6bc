"""The network of a configuration with random weights, for a look at its parts before there is a training."""

from dataclasses import asdict

from action_recognition.config import Config
from action_recognition.contract import ClipContract
from action_recognition.models.module import VideoActionModel


def random_model(config: Config, *, class_names: tuple[str, ...] = ("a", "b")) -> VideoActionModel:
    """Untrained, for clips as `config.clip` cuts them.

    Raises:
        ConfigError: if the network does not take such clips.
    """
    clip = asdict(config.clip) | {"mean": tuple(config.clip.mean), "std": tuple(config.clip.std)}
    clip["fps"] = config.clip.fps or 0.0
    contract = ClipContract(**clip, channels=config.clip.channels, class_names=class_names)
    return VideoActionModel(contract.to_dict(), asdict(config.model))
