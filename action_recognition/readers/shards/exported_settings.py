"""What `data=shards` takes over from the shards that it reads."""

import json

from action_recognition.config import Config, load_config
from action_recognition.readers.shards.files import ShardFiles
from action_recognition.readers.shards.shard_set import read_index

# How clips are cut: what the contract says, and the configuration says too.
CUT = ("frames", "stride", "short_side", "size", "short_clip", "mean", "std")


def as_exported(config: Config) -> Config:
    """The configuration with the name and the cut of the shards that it reads, under the overrides given.

    Raises:
        ConfigError, DataError: if there are none, or they cannot be reached.
    """
    index = read_index(ShardFiles.named_by(config.data))
    values = {"name": index.name} | {name: index.contract.to_dict()[name] for name in CUT}
    given = {override.split("=", 1)[0] for override in config.overrides}
    exported = [f"data.{name}={json.dumps(value)}" for name, value in values.items() if f"data.{name}" not in given]
    return load_config([*exported, *config.overrides])
