"""Typed configuration: Hydra composes `conf/`, the dataclasses of `schema` declare what each value may be.

`load_config` turns overrides into plain dataclasses, so the rest of the code never meets an OmegaConf object.
"""

from action_recognition.config.clip_schema import AugmentConfig, ClipConfig
from action_recognition.config.compose import check_given_once, each_key_once, flatten, key_of, load_config, to_yaml
from action_recognition.config.data_schema import (
    DATA_KINDS,
    CacheConfig,
    DataConfig,
    FullSetConfig,
    MirrorConfig,
    MirrorsConfig,
    ShardsConfig,
)
from action_recognition.config.keys import CONF_DIR
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

__all__ = [
    "CONF_DIR",
    "DATA_KINDS",
    "AugmentConfig",
    "CacheConfig",
    "ClipConfig",
    "CompareConfig",
    "Config",
    "DataConfig",
    "EvaluationConfig",
    "ExportConfig",
    "FullSetConfig",
    "MirrorConfig",
    "MirrorsConfig",
    "ModelConfig",
    "OptimizerConfig",
    "PredictConfig",
    "ShardsConfig",
    "TrackingConfig",
    "TrainerConfig",
    "TuneConfig",
    "check_given_once",
    "each_key_once",
    "flatten",
    "key_of",
    "load_config",
    "to_yaml",
]
