"""A checkpoint holds the configuration it was trained with, so that later commands need not be told again."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from action_recognition.config import Config, Lifetime, group_options, key_of, keys_marked, to_values
from action_recognition.config.compose import Composed, check_composed, compose_values
from action_recognition.config.keys import is_open
from action_recognition.errors import ConfigError
from action_recognition.tracking.run_folders import checkpoint_to_resume, resolve_checkpoint
from action_recognition.utils.redaction import is_hidden, redacted_values

# Keys of `data` that became the groups `clip` and `augment`, in checkpoints that hold overrides only.
MOVED = re.compile(r"^([+~]*)data\.(?:(augment)\b|(?=(?:frames|stride|short_side|size|short_clip|mean|std|bits)=))")


def config_to_store(config: Config) -> dict[str, Any]:
    """The part of the configuration that a checkpoint keeps: values of all keys that outlive a command, and options."""
    left_out = tuple(key.removesuffix(".") for key in keys_marked(Lifetime.COMMAND))
    values = {name: value for name, value in to_values(config).items() if name not in left_out}
    choices = {group: option for group, option in config.choices.items() if group in values}
    return {"values": redacted_values(values), "choices": choices}


def config_of_checkpoint(config: Config) -> Config:
    """The configuration that the requested checkpoint was trained with, under the overrides given now.

    Raises:
        ConfigError: if the checkpoint does not exist, or an address in it needs its password again.
    """
    checkpoint = checkpoint_to_resume(config) or resolve_checkpoint(
        requested_checkpoint(config), plots_dir=config.plots_dir
    )
    from action_recognition.models.module import VideoActionModel  # torch: only once a checkpoint is there

    provenance = VideoActionModel.from_checkpoint(checkpoint).hparams["provenance"]
    try:
        return as_trained(trained_config(provenance), config)
    except ConfigError as error:
        raise ConfigError(f"{checkpoint}: {error}") from None


def requested_checkpoint(config: Config) -> str:
    """The checkpoint that a command's own keys name, when it does not resume a training."""
    given = {key_of(override) for override in config.overrides}
    return config.export.checkpoint if "export.checkpoint" in given else config.evaluation.checkpoint


def trained_config(provenance: Mapping[str, Any]) -> Composed:
    """The values and options that a checkpoint was trained with; an older checkpoint holds only its overrides.

    Raises:
        ConfigError: for overrides that can no longer be composed.
    """
    if stored := provenance.get("config"):
        return Composed(stored["values"], stored["choices"])
    overrides = provenance.get("overrides", ())
    return compose_values([MOVED.sub(lambda found: found[1] + (found[2] or "clip."), word) for word in overrides])


def as_trained(trained: Composed, now: Config) -> Config:
    """The configuration of a checkpoint under the overrides given now.

    Overrides also give the keys of a newly chosen option or experiment, and values that refer to a changed key. A key
    that is newer than the checkpoint has its default.

    Raises:
        ConfigError: for a value that is not possible, or an address whose password was not stored.
    """
    named = frozenset(key_of(override) for override in now.overrides)
    kept = [
        f"{group}={option}"
        for group, option in trained.choices.items()
        if group not in named and option in group_options(group)
    ]
    lifetimes = [Lifetime.COMMAND] if now.trainer.resume else [Lifetime.COMMAND, Lifetime.MACHINE]
    passing = keys_marked(*lifetimes)

    wanted, default = compose_values([*kept, *now.overrides]), compose_values(kept)
    values = _Merge(passing, named).of("", trained.values, wanted.values, default.values)
    return check_composed(Composed(values, wanted.choices), now.overrides)


_NOTHING: Any = object()


@dataclass(frozen=True)
class _Merge:
    """Trained values under those that are wanted now; `default` is what would be wanted if nothing were given."""

    passing: tuple[str, ...]
    named: frozenset[str]

    def of(self, key: str, trained: Any, wanted: Any, default: Any) -> Any:
        if isinstance(trained, dict) and isinstance(wanted, dict):
            parts = trained, wanted, default if isinstance(default, dict) else {}
            merged = {}
            for name in dict.fromkeys([*wanted, *(trained if is_open(key) else ())]):
                inner = f"{key}.{name}" if key else name
                merged[name] = self.of(inner, *(part.get(name, _NOTHING) for part in parts))
            return {name: value for name, value in merged.items() if value is not _NOTHING}
        is_new = trained is _NOTHING and not is_open(key.rpartition(".")[0])
        if is_new or wanted != default or self._is_given(key):
            return wanted
        if not is_hidden(trained):
            return trained
        if key.startswith(keys_marked(Lifetime.START)):
            return wanted
        raise ConfigError(f"{key}: was stored without the password or token of this address; give it again: {key}=URL")

    def _is_given(self, key: str) -> bool:
        """Whether an override names this key, one above it or one below it; or no checkpoint is asked for it."""
        return f"{key}.".startswith(self.passing) or any(
            key == name or key.startswith(f"{name}.") or name.startswith(f"{key}.") for name in self.named
        )
