"""A checkpoint remembers the overrides it was trained with, so that later commands need not be told again."""

from collections.abc import Sequence

from action_recognition.config import Config, load_config
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


def config_of_checkpoint(config: Config) -> Config:
    """The configuration that the meant checkpoint was trained with, under the overrides given now.

    Raises:
        ConfigError: if the checkpoint does not exist.
    """
    checkpoint = resolve_checkpoint(meant_checkpoint(config), plots_dir=config.plots_dir)
    from action_recognition.models.module import VideoActionModel  # torch: only once a checkpoint is there

    provenance = VideoActionModel.from_checkpoint(checkpoint).hparams["provenance"]
    recalled = load_config(merge_overrides(provenance.get("overrides", ()), config.overrides))
    recalled.overrides = list(merge_overrides(provenance.get("overrides", ()), config.overrides))
    return recalled


def meant_checkpoint(config: Config) -> str:
    """The checkpoint that a command's own keys name."""
    if config.trainer.resume:
        return config.trainer.resume
    given = {override.split("=", 1)[0] for override in config.overrides}
    return config.export.checkpoint if "export.checkpoint" in given else config.evaluation.checkpoint


def merge_overrides(trained: Sequence[str], given: Sequence[str]) -> list[str]:
    """Overrides of the training run, then those given now; a newly chosen group drops the old group's keys."""
    groups = {override.split("=", 1)[0] for override in given if "." not in override.split("=", 1)[0]}
    kept = [
        override
        for override in trained
        if not override.lstrip("+~").startswith(FORGOTTEN) and override.split("=", 1)[0].split(".")[0] not in groups
    ]
    keys = {override.split("=", 1)[0] for override in given}
    return [override for override in kept if override.split("=", 1)[0] not in keys] + list(given)
