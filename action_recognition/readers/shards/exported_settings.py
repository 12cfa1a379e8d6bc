"""What `data=shards` takes over from the shards that it reads."""

import json

from action_recognition.config import Config, key_of, load_config
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
    contract = index.contract.to_dict()
    given = {key_of(override) for override in config.overrides}
    values = {"data.name": index.name}
    if "clip" not in given:
        values |= {f"clip.{name}": contract[name] for name in CUT}
    exported = [f"{key}={json.dumps(value)}" for key, value in values.items() if key not in given]
    return load_config([*exported, *config.overrides])
