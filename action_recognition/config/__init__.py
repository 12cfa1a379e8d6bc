"""Typed configuration: Hydra composes `conf/`, the dataclasses of `schema` declare what each value may be.

`load_config` turns overrides into plain dataclasses, so the rest of the code never meets an OmegaConf object.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from action_recognition.config.clip_schema import AugmentConfig, ClipConfig
from action_recognition.config.data_schema import (
    CacheConfig,
    DataConfig,
    FullSetConfig,
    MirrorConfig,
    MirrorsConfig,
    ShardsConfig,
)
from action_recognition.config.keys import is_open, keys_marked
from action_recognition.config.option_files import CONF_DIR, group_options
from action_recognition.config.rules import Effect, Lifetime
from action_recognition.config.schema import (
    CompareConfig,
    Config,
    EvaluationConfig,
    ExportConfig,
    ModelConfig,
    OptimizerConfig,
    PredictConfig,
    TrackingConfig,
    TrainerConfig,
    TuneConfig,
)

if TYPE_CHECKING:
    from action_recognition.config.compose import (
        Composed,
        check_composed,
        check_given_once,
        compose_values,
        each_key_once,
        flatten,
        key_of,
        load_config,
        to_values,
        to_yaml,
    )

__all__ = [
    "CONF_DIR",
    "AugmentConfig",
    "CacheConfig",
    "ClipConfig",
    "CompareConfig",
    "Composed",
    "Config",
    "DataConfig",
    "Effect",
    "EvaluationConfig",
    "ExportConfig",
    "FullSetConfig",
    "Lifetime",
    "MirrorConfig",
    "MirrorsConfig",
    "ModelConfig",
    "OptimizerConfig",
    "PredictConfig",
    "ShardsConfig",
    "TrackingConfig",
    "TrainerConfig",
    "TuneConfig",
    "check_composed",
    "check_given_once",
    "compose_values",
    "each_key_once",
    "flatten",
    "group_options",
    "is_open",
    "key_of",
    "keys_marked",
    "load_config",
    "to_values",
    "to_yaml",
]


def __getattr__(name: str) -> Any:
    """What composes a configuration is imported with Hydra when it is first used: help and completion need neither."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.compose"), name)
