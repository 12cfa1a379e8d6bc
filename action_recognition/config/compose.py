"""From overrides to a checked configuration, and every mistake on the way as one line."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import ConfigCompositionException, HydraException, MissingConfigException, OverrideParseException
from omegaconf import OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from action_recognition.config.checking import checked, shown
from action_recognition.config.keys import key_of, known_keys, suggest_keys, takes_text
from action_recognition.config.option_files import CONF_DIR, group_options
from action_recognition.config.parameter_files import expand_files, quoted
from action_recognition.config.schema import Config
from action_recognition.errors import ConfigError, did_you_mean, first_line
from action_recognition.utils.redaction import redacted_values

# What Hydra raises, beside errors of its own, for overrides that it has not foreseen.
ODD_OVERRIDES = (ValueError, TypeError, AttributeError, AssertionError, LookupError)


def load_config(overrides: Sequence[str] = ()) -> Config:
    """Compose `conf/config.yaml` with Hydra overrides and check every value.

    Args:
        overrides: `key=value`, `group=option`, or `@FILE` for the keys in a YAML file.

    Raises:
        ConfigError: for a misspelt key, an unknown group option, a value of the wrong type or out of range.
    """
    overrides = expand_files(overrides)
    return check_composed(compose_values(overrides), overrides)


@dataclass(frozen=True)
class Composed:
    """Plain values that nothing has checked yet, and the option that was chosen of each group."""

    values: dict[str, Any]
    choices: dict[str, str]


def check_composed(composed: Composed, overrides: Sequence[str]) -> Config:
    """The configuration of composed values, with the overrides that it is remembered by.

    Raises:
        ConfigError: for a value of the wrong type or out of range.
    """
    config: Config = checked(Config, composed.values, "")
    config.overrides, config.choices = list(overrides), dict(composed.choices)
    return config


def compose_values(overrides: Sequence[str]) -> Composed:
    """What Hydra makes of `conf/` and the overrides.

    Raises:
        ConfigError: for what Hydra cannot read or apply.
    """
    return _composed([prepared(override) for override in overrides])


def _composed(overrides: list[str]) -> Composed:
    try:
        with initialize_config_dir(str(CONF_DIR), version_base="1.3"):
            composed = compose("config", overrides=overrides, return_hydra_config=True)
        choices = {
            group: option
            for group, option in composed.hydra.runtime.choices.items()
            if option and not group.startswith("hydra/") and group != "experiment"
        }
        with open_dict(composed):
            del composed["hydra"]
        values: Any = OmegaConf.to_container(composed, resolve=True)
        return Composed(values, choices)
    except MissingConfigException as error:
        raise ConfigError(_missing_option_line(error)) from None
    except ConfigCompositionException as error:
        raise ConfigError(_composition_line(error, overrides)) from None
    except OmegaConfBaseException as error:
        key = f"{error.full_key}: " if error.full_key else ""
        raise ConfigError(f"{key}{first_line(error)}") from None
    except OverrideParseException as error:
        raise ConfigError(f"override {shown(error.override)!r}: expected key=value") from None
    except RecursionError:
        raise ConfigError("the configuration refers to itself in ${...}, or is nested too deeply") from None
    except (HydraException, *ODD_OVERRIDES) as error:
        raise ConfigError(f"{' '.join(map(shown, overrides))}: {first_line(error)}") from None


def prepared(override: str) -> str:
    """The override as Hydra reads it, with its key known and its value in quotes where Hydra would misread it.

    Values that Hydra's grammar cannot read, such as paths and patterns with parentheses, are meant as they are. So are
    names that look like numbers (`007`, `1e5`) where the schema wants text.

    Raises:
        ConfigError: for a key that there is not, or a group without an option.
    """
    key, separator, value = override.partition("=")
    parsed = _parsed(override)
    if not key_of(override) or (not separator and not (parsed and parsed.is_delete())):
        raise ConfigError(f"override {shown(override)!r}: expected key=value{_suggested(key)}")
    _check_key(override, parsed)
    if not separator or (parsed and not parsed.is_sweep_override() and not _is_misread(key_of(override), parsed)):
        return override
    if takes_text(key_of(override)) and re.fullmatch(r"\[[^][{}()'\"]*\]", value):
        words = [word.strip() for word in value[1:-1].split(",")]
        return f"{key}=[{','.join(word if word.startswith('$') else quoted(word) for word in words)}]"
    return f"{key}={quoted(value)}"


def _parsed(override: str) -> Override | None:
    try:
        (parsed,) = OverridesParser.create().parse_overrides([override])
    except (OverrideParseException, ValueError, RecursionError):
        return None
    return parsed


def _is_misread(key: str, parsed: Override) -> bool:
    value = parsed.value()
    values = value if isinstance(value, list) else [value]
    return takes_text(key) and any(isinstance(word, int | float) for word in values)


def _check_key(override: str, parsed: Override | None) -> None:
    key, value = key_of(override), override.partition("=")[2]
    if key == "hydra" or key.startswith(("hydra.", "hydra/")):
        raise ConfigError(f"{shown(override)}: hydra's own settings are not read here; keys are in conf/")
    options = group_options(key)
    if options and parsed and parsed.is_delete():
        raise ConfigError(f"~{key}: cannot be left out; expected {key}= one of {', '.join(options)}")
    if options and parsed and not isinstance(parsed.value(), str):
        raise ConfigError(f"{key}={shown(value)}: expected one of {', '.join(options)}{did_you_mean(value, options)}")


def _suggested(key: str, value: str = "") -> str:
    keys = suggest_keys(key)
    return f" (did you mean {' or '.join(f'{name}={shown(value)}' for name in keys)}?)" if keys else ""


def to_yaml(config: Config) -> str:
    """The configuration to be stored: what gives access is hidden in the addresses in it."""
    return OmegaConf.to_yaml(OmegaConf.create(redacted_values(OmegaConf.to_container(OmegaConf.structured(config)))))


def _missing_option_line(error: MissingConfigException) -> str:
    group, _, option = (error.missing_cfg_file or "").rpartition("/")
    options = group_options(group)
    return f"{group}={shown(option)}: expected one of {', '.join(options)}{did_you_mean(option, options)}"


def _composition_line(error: ConfigCompositionException, overrides: Sequence[str]) -> str:
    """What is wrong with the override that Hydra could not apply: mostly, that there is no such key."""
    for override in sorted(overrides, key=lambda word: -len(key_of(word))):  # `data.x` before `data`
        key, value = key_of(override), override.partition("=")[2]
        if key not in known_keys() and not override.startswith("+") and key in str(error):
            return f"{shown(override)}: no such key{_suggested(key, value)}; see conf/"
        if key in str(error):
            return (
                f"{shown(override)}: {first_line(error.__cause__ or error)}; the options chosen may not have this key"
            )
    return first_line(error.__cause__ or error)
