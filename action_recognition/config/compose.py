"""From overrides to a checked configuration, and every mistake on the way as one line."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import ConfigCompositionException, HydraException, MissingConfigException, OverrideParseException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from action_recognition.config.schema import Config
from action_recognition.errors import ConfigError, did_you_mean, first_line

CONF_DIR = Path(__file__).resolve().parents[2] / "conf"


def load_config(overrides: Sequence[str] = ()) -> Config:
    """Compose `conf/config.yaml` with Hydra overrides (`key=value`, `group=option`) and check every value.

    Raises:
        ConfigError: for a misspelt key, an unknown group option, a value of the wrong type or out of range.
    """
    try:
        with initialize_config_dir(str(CONF_DIR), version_base="1.3"):
            composed = compose("config", overrides=[_quoted(override) for override in overrides])
    except MissingConfigException as error:
        raise ConfigError(_missing_option_line(error)) from None
    except ConfigCompositionException as error:
        raise ConfigError(_composition_line(error, overrides)) from None
    except OverrideParseException as error:
        raise ConfigError(f"override {error.override!r}: expected key=value ({first_line(error)})") from None
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigError(first_line(error)) from None
    try:
        checked = OmegaConf.merge(OmegaConf.structured(Config), composed)
        config: Config = OmegaConf.to_object(checked)  # type: ignore[assignment]
    except OmegaConfBaseException as error:
        name = error.full_key or ""
        raise ConfigError(f"{name}: {first_line(error)}") from None
    config.overrides = list(overrides)
    return config


def _quoted(override: str) -> str:
    """Quote a value that Hydra's grammar cannot read, so that paths and patterns may hold parentheses as they are."""
    try:
        (parsed,) = OverridesParser.create().parse_overrides([override])
        readable = not parsed.is_sweep_override()
    except OverrideParseException:
        readable = False
    key, separator, value = override.partition("=")
    if readable or not separator:
        return override
    # In Hydra's quoted strings a backslash escapes quotes, and itself only before one.
    escaped = re.sub(r"(\\*)('|$)", lambda match: 2 * match[1] + ("\\'" if match[2] else ""), value)
    return f"{key}='{escaped}'"


def flatten(config: Config) -> dict[str, Any]:
    """The configuration as `{"data.frames": 16, ...}`, for MLflow parameters."""
    flat: dict[str, Any] = {}

    def visit(prefix: str, value: Any) -> None:
        if isinstance(value, dict):
            for key, inner in value.items():
                visit(f"{prefix}.{key}" if prefix else key, inner)
        else:
            flat[prefix] = value

    container = OmegaConf.to_container(OmegaConf.structured(config))
    assert isinstance(container, dict)
    visit("", {key: value for key, value in container.items() if key != "overrides"})
    return flat


def to_yaml(config: Config) -> str:
    return OmegaConf.to_yaml(OmegaConf.structured(config))


def _missing_option_line(error: MissingConfigException) -> str:
    group, _, option = (error.missing_cfg_file or "").rpartition("/")
    options = sorted(path.stem for path in (CONF_DIR / group).glob("[!_]*.yaml"))
    return f"{group}={option}: expected one of {', '.join(options)}{did_you_mean(option, options)}"


def _composition_line(error: ConfigCompositionException, overrides: Iterable[str]) -> str:
    known = _known_keys()
    for override in overrides:
        key = override.split("=", 1)[0].lstrip("+~").split("@", 1)[0]
        if "=" not in override:
            return f"override {override!r}: expected key=value"
        if key not in known and not any(name.startswith(f"{key}.") for name in known):
            return f"{override}: no such key{did_you_mean(key, known)}; see conf/"
    cause = error.__cause__ or error
    return first_line(cause)


def _known_keys() -> set[str]:
    """Every key that an override may name, from the groups' YAML files."""
    known = {path.parent.name for path in CONF_DIR.glob("*/*.yaml")} | {"plots_dir"}
    for path in CONF_DIR.glob("*/*.yaml"):
        group = path.parent.name
        if group == "experiment":
            continue

        def visit(prefix: str, value: Any) -> None:
            known.add(prefix)
            if isinstance(value, dict):
                for key, inner in value.items():
                    visit(f"{prefix}.{key}", inner)

        visit(group, OmegaConf.to_container(OmegaConf.load(path)))
    return known
