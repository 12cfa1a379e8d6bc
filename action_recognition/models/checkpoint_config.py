"""A checkpoint remembers the overrides it was trained with, so that later commands need not be told again."""

from collections.abc import Sequence

from action_recognition.config import Config, key_of, load_config
from action_recognition.errors import ConfigError
from action_recognition.tracking.run_folders import checkpoint_to_resume, resolve_checkpoint
from action_recognition.utils.redaction import hidden_keys

# What described the training run, not the model or its data.
NOT_INHERITED = (
    "trainer.resume",
    "trainer.run_dir",
    "tracking.",
    "export.",
    "predict.",
    "evaluation.",
    "compare.",
    "tune.",
)
# Of the machine that trained: only a training that goes on has to compute as before.
MACHINE = ("trainer.accelerator", "trainer.devices")
# What the data and the first weights came from: nothing reads it once there is a checkpoint.
USED_UP = ("data.archive", "data.splits_archive", "data.mirrors", "model.weights")


def config_of_checkpoint(config: Config) -> Config:
    """The configuration that the meant checkpoint was trained with, under the overrides given now.

    Raises:
        ConfigError: if the checkpoint does not exist, or an address in it needs its password again.
    """
    checkpoint = checkpoint_to_resume(config) or resolve_checkpoint(
        requested_checkpoint(config), plots_dir=config.plots_dir
    )
    from action_recognition.models.module import VideoActionModel  # torch: only once a checkpoint is there

    provenance = VideoActionModel.from_checkpoint(checkpoint).hparams["provenance"]
    trained = usable(provenance.get("overrides", ()))
    if not config.trainer.resume:
        trained = [override for override in trained if key_of(override) not in MACHINE]
    merged = merge_overrides(trained, config.overrides)
    if hidden := hidden_keys(merged):
        raise ConfigError(
            f"{hidden[0]}: {checkpoint} was stored without the password or token of this address; give it again: "
            f"{hidden[0]}=URL"
        )
    return load_config(merged)


def usable(trained: Sequence[str]) -> list[str]:
    """Overrides without addresses that only the beginning of a training needed and whose password was not stored."""
    return [
        override for override in trained if not (hidden_keys([override]) and override.lstrip("+~").startswith(USED_UP))
    ]


def requested_checkpoint(config: Config) -> str:
    """The checkpoint that a command's own keys name, when it does not resume a training."""
    given = {key_of(override) for override in config.overrides}
    return config.export.checkpoint if "export.checkpoint" in given else config.evaluation.checkpoint


def merge_overrides(trained: Sequence[str], given: Sequence[str]) -> list[str]:
    """Overrides of the training run, then those given now; a newly chosen group drops the old group's keys."""
    keys = {key_of(override) for override in given}
    groups = {key for key in keys if "." not in key}
    kept = [
        override
        for override in trained
        if not key_of(override).startswith(NOT_INHERITED)
        and key_of(override).partition(".")[0] not in groups
        and key_of(override) not in keys
    ]
    return kept + list(given)
