"""Typed configuration: Hydra composes `conf/`, the dataclasses of `schema` declare what each value may be.

`load_config` turns overrides into plain dataclasses, so the rest of the code never meets an OmegaConf object.
"""
# ruff: noqa: F401 - other rooms import these names from here

from importlib import import_module
from typing import TYPE_CHECKING, Any

from action_recognition.config.clip_schema import AugmentConfig, ClipConfig
from action_recognition.config.data_schema import DataConfig, FullSetConfig, MirrorConfig, MirrorsConfig
from action_recognition.config.keys import each_key_once, flatten, key_of, keys_marked, to_values, training_settings
from action_recognition.config.option_files import CONF_DIR, group_options
from action_recognition.config.rules import Effect, Lifetime
from action_recognition.config.schema import (
    CompareConfig,
    Config,
    ModelConfig,
    OptimizerConfig,
    TrackingConfig,
    TrainerConfig,
    TuneConfig,
    VisualizeConfig,
)

if TYPE_CHECKING:
    from action_recognition.config.compose import load_config, to_yaml


def __getattr__(name: str) -> Any:
    """Import composition, and Hydra with it, on first use: help and completion need neither."""
    if name not in ("load_config", "to_yaml"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.compose"), name)
