"""`config`: what a command would run with and where each value comes from; the groups of `conf/` and their options."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from action_recognition.cli.command import Command, command
from action_recognition.cli.commands import COMMANDS, load_command
from action_recognition.errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    from action_recognition.config import Config

WIDEST = 60  # characters in front of the place that a value comes from


@command(composes=False, usage="[COMMAND [key=value ...] | GROUP]")
def run(words: Sequence[str]) -> None:
    """Print the configuration of a command with where each value comes from, or the groups and options of conf/.

    config train experiment=demo trainer.max_epochs=3   what train would run with, as YAML; passwords are hidden
    config model                                        the options of a group
    config                                              all groups and their options
    """
    from action_recognition.config.option_files import group_options, groups

    name = words[0].replace("_", "-") if words else ""
    if name in COMMANDS:
        print("\n".join(composed_lines(name, load_command(COMMANDS[name]), words[1:])))
    elif name in groups() and len(words) == 1:
        print("\n".join(option_lines(name)))
    elif not words:
        for group, default in groups().items():
            print(f"{group}={default or 'null'}\n    {', '.join(group_options(group))}")
    else:
        known = [*COMMANDS, *groups()]
        raise ConfigError(f"config {words[0]}: expected a command or a group of conf/{did_you_mean(name, known)}")


def option_lines(group: str) -> Iterator[str]:
    """The options of a group, with the first line of each one's comment."""
    from action_recognition.config.option_files import group_options, summary

    options = group_options(group)
    width = max(map(len, options))
    for option in options:
        yield f"{group}={option:<{width}}  {summary(group, option)}".rstrip()


def composed_lines(name: str, found: Command, words: Sequence[str]) -> Iterator[str]:
    """The groups that a command reads, as YAML.

    Raises:
        ConfigError: for a command without a configuration, and for overrides that cannot be composed.
    """
    from action_recognition.cli.command import split_words
    from action_recognition.config import to_values
    from action_recognition.config.provenance import place_of, places_of_keys
    from action_recognition.utils.redaction import redacted_values

    if not found.groups:
        raise ConfigError(f"config {name}: {name} reads no keys")
    inputs, overrides = split_words(words)
    if inputs and not found.takes_inputs:
        raise ConfigError(f"config {name} {inputs[0]}: expected key=value")
    config = found.compose(overrides)
    places = places_of_keys([*(word for word in found.fixed if word not in overrides), *overrides])
    places |= dict.fromkeys((word.partition("=")[0] for word in found.fixed), f"fixed by {name}")
    taken_over = _taken_over(found, config, overrides)
    values = redacted_values(to_values(config))
    shown = {key: values[key] for key in ("plots_dir", *found.groups) if key in values}
    for text, key in yaml_lines(shown):
        place = taken_over.get(key) or place_of(key, places)
        yield f"{text:<{WIDEST}}  # {place}" if key else text


def _taken_over(found: Command, config: "Config", overrides: Sequence[str]) -> dict[str, str]:
    """The keys whose values come from a checkpoint or from the shards, with its name."""
    from action_recognition.config import flatten, load_config
    from action_recognition.datasets import dataset_of

    given = load_config([*found.fixed, *overrides])
    plain, now = flatten(given), flatten(config)
    differing = [key for key, value in now.items() if plain.get(key) != value]
    if not differing:
        return {}
    if dataset_of(given.data).reads_shards and not (found.of_checkpoint or given.trainer.resume):
        return dict.fromkeys(differing, "the shards")
    from action_recognition.models.checkpoint_config import requested_checkpoint
    from action_recognition.tracking.run_folders import checkpoint_to_resume, resolve_checkpoint

    checkpoint = checkpoint_to_resume(given) or resolve_checkpoint(
        requested_checkpoint(given), plots_dir=given.plots_dir
    )
    return dict.fromkeys(differing, f"checkpoint {checkpoint}")


def yaml_lines(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Block YAML line by line, each with its key in dots; without a key where a mapping begins."""
    indent = "  " * prefix.count(".")
    for name, value in values.items():
        if isinstance(value, dict) and value:
            yield f"{indent}{name}:", ""
            yield from yaml_lines(value, f"{prefix}{name}.")
        else:
            yield f"{indent}{name}: {_flow(value)}", f"{prefix}{name}"


def _flow(value: Any) -> str:
    import yaml

    text: str = yaml.safe_dump(value, default_flow_style=True, width=float("inf"), allow_unicode=True)
    return text.removesuffix("\n").removesuffix("\n...")
