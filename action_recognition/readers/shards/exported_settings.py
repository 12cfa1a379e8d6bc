"""The settings that `data=shards` takes from its shards."""

import json

from action_recognition.config import Config, key_of, load_config
from action_recognition.readers.shards.files import ShardFiles
from action_recognition.readers.shards.shard_set import read_index

# Settings of the group `clip` that the contract has too.
CUT = ("frames", "stride", "short_side", "size", "short_clip", "mean", "std")


def as_exported(config: Config) -> Config:
    """The configuration with the name and the clip settings of its shards, unless overrides give them.

    Raises:
        ConfigError, DataError: if the shards cannot be read.
    """
    index = read_index(ShardFiles.named_by(config.data))
    contract = index.contract.to_dict()
    given = {key_of(override) for override in config.overrides}
    values = {"data.name": index.name}
    if "clip" not in given:
        values |= {f"clip.{name}": contract[name] for name in CUT}
        if contract["fps"]:  # older shards do not say
            values["clip.fps"] = contract["fps"]
    exported = [f"{key}={json.dumps(value)}" for key, value in values.items() if key not in given]
    return load_config([*exported, *config.overrides])
