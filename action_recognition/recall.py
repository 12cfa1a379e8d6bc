"""A checkpoint remembers the overrides it was trained with, so that later commands need not be told again."""

from collections.abc import Sequence

from action_recognition.config import Config, key_of, load_config
from action_recognition.runs import resolve_checkpoint

# What described the training run, not the model or its data.
FORGOTTEN = (
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


def config_of_checkpoint(config: Config) -> Config:
    """The configuration that the meant checkpoint was trained with, under the overrides given now.

    Raises:
        ConfigError: if the checkpoint does not exist.
    """
    checkpoint = resolve_checkpoint(meant_checkpoint(config), plots_dir=config.plots_dir)
    from action_recognition.models.module import VideoActionModel  # torch: only once a checkpoint is there

    provenance = VideoActionModel.from_checkpoint(checkpoint).hparams["provenance"]
    trained = provenance.get("overrides", ())
    if not config.trainer.resume:
        trained = [override for override in trained if key_of(override) not in MACHINE]
    return load_config(merge_overrides(trained, config.overrides))


def meant_checkpoint(config: Config) -> str:
    """The checkpoint that a command's own keys name."""
    if config.trainer.resume:
        return config.trainer.resume
    given = {key_of(override) for override in config.overrides}
    return config.export.checkpoint if "export.checkpoint" in given else config.evaluation.checkpoint


def merge_overrides(trained: Sequence[str], given: Sequence[str]) -> list[str]:
    """Overrides of the training run, then those given now; a newly chosen group drops the old group's keys."""
    keys = {key_of(override) for override in given}
    groups = {key for key in keys if "." not in key}
    kept = [
        override
        for override in trained
        if not key_of(override).startswith(FORGOTTEN)
        and key_of(override).partition(".")[0] not in groups
        and key_of(override) not in keys
    ]
    return kept + list(given)
