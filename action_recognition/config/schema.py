"""What every configuration key may be: one dataclass a Hydra group, checked when it is made."""

from dataclasses import dataclass, field
from typing import Any

from action_recognition.config.data_schema import DataConfig
from action_recognition.errors import ConfigError, check_at_least, check_choice

# What a network is given instead of RGB frames; see `models.inputs`.
INPUTS = ("rgb", "residual", "rgb_residual")


@dataclass(kw_only=True)
class ModelConfig:
    """A network of `action_recognition.models.networks` by name, with its keyword arguments.

    `input` is what it is given of the frames. `weights` are pretrained ones: a name, a path or a URL, or for a network
    of several parts a mapping from part to these; null for none.
    """

    network: str
    args: dict[str, Any]
    input: str = "rgb"
    weights: Any = None

    def __post_init__(self) -> None:
        check_choice("model.input", self.input, INPUTS)


@dataclass(kw_only=True)
class OptimizerConfig:
    """`layer_decay` multiplies the learning rate once a stage, from the head (1) towards the input.

    `targets` are class numbers (`sparse`) or a row of shares a clip (`one_hot`); the loss is the same.
    """

    name: str
    lr: float
    weight_decay: float
    schedule: str
    warmup_epochs: float
    label_smoothing: float
    momentum: float = 0.9
    layer_decay: float = 1.0
    targets: str = "sparse"

    def __post_init__(self) -> None:
        check_choice("optimizer.name", self.name, ("adam", "adamw", "sgd"))
        check_choice("optimizer.targets", self.targets, ("sparse", "one_hot"))
        check_choice("optimizer.schedule", self.schedule, ("cosine", "constant"))
        if self.lr <= 0:
            raise ConfigError(f"optimizer.lr={self.lr}: expected more than 0")
        if not 0 < self.layer_decay <= 1:
            raise ConfigError(f"optimizer.layer_decay={self.layer_decay}: expected more than 0, at most 1")


@dataclass(kw_only=True)
class TrainerConfig:
    """`precision` and `memory_format` `auto` measure the model's own step once a machine and keep the faster.

    `freeze=backbone` trains the head alone; with `unfreeze_every` one more stage joins every so many epochs.
    `feature_views` caches the frozen backbone's features of so many augmented views a clip and trains on them.
    """

    max_epochs: int
    patience: int
    seed: int
    accelerator: str
    devices: int | str
    accumulate: int
    ema_decay: float | None
    compile: bool
    freeze: str
    unfreeze_every: int | None
    feature_views: int
    precision: str
    memory_format: str
    gradient_clip: float | None
    limit_train_batches: float | int | None
    limit_val_batches: float | int | None
    resume: str | None
    run_dir: str | None

    def __post_init__(self) -> None:
        check_at_least("trainer.max_epochs", self.max_epochs, 1)
        check_at_least("trainer.patience", self.patience, 1)
        check_at_least("trainer.accumulate", self.accumulate, 1)
        check_at_least("trainer.feature_views", self.feature_views, 0)
        check_choice("trainer.freeze", self.freeze, ("none", "backbone"))
        if self.devices != "auto":
            check_at_least("trainer.devices", _whole("trainer.devices", self.devices), 1)
        if self.unfreeze_every is not None:
            check_at_least("trainer.unfreeze_every", self.unfreeze_every, 1)
            if self.freeze != "backbone":
                raise ConfigError(f"trainer.unfreeze_every={self.unfreeze_every}: needs trainer.freeze=backbone")
        if self.devices != 1 and (self.feature_views or self.unfreeze_every):
            line = "trainer.feature_views and unfreeze_every are for a single process"
            raise ConfigError(f"trainer.devices={self.devices}: {line}; give trainer.devices=1")
        if self.feature_views and (self.freeze != "backbone" or self.unfreeze_every):
            line = "trainer.feature_views: features can be kept of a frozen backbone only; give trainer.freeze=backbone"
            raise ConfigError(f"{line} and trainer.unfreeze_every=null")
        if self.ema_decay is not None and not 0 < self.ema_decay < 1:
            raise ConfigError(f"trainer.ema_decay={self.ema_decay}: expected between 0 and 1")
        check_choice("trainer.accelerator", self.accelerator, ("auto", "cpu", "gpu", "cuda", "mps"))
        check_choice("trainer.precision", self.precision, ("auto", "32-true", "bf16-mixed", "16-mixed"))
        check_choice("trainer.memory_format", self.memory_format, ("auto", "contiguous", "channels_last_3d"))


def _whole(name: str, value: int | str) -> int:
    if isinstance(value, int):
        return value
    raise ConfigError(f"{name}={value}: expected auto or a number")


@dataclass(kw_only=True)
class EvaluationConfig:
    checkpoint: str
    split: str
    metrics: str
    allow_leakage: bool
    bootstrap: int

    def __post_init__(self) -> None:
        check_choice("evaluation.split", self.split, ("val", "test"))


@dataclass(kw_only=True)
class TrackingConfig:
    tracking_uri: str
    artifact_root: str
    experiment: str
    run_name: str | None
    system_metrics: bool
    registered_model: str
    dvc_remote: str | None
    dvc_allow_modified: bool


@dataclass(kw_only=True)
class ExportConfig:
    checkpoint: str
    onnx: str
    opset: int
    tolerance: float
    parity_clips: int
    engine: str
    engine_path: str
    compute_capability: str | None
    precision: str
    min_batch: int
    opt_batch: int
    max_batch: int

    def __post_init__(self) -> None:
        check_choice("export.engine", self.engine, ("tensorrt", "tensorrt_rtx"))
        check_choice("export.precision", self.precision, ("fp32", "fp16"))
        check_at_least("export.opset", self.opset, 18)
        if not 1 <= self.min_batch <= self.opt_batch <= self.max_batch:
            sizes = f"{self.min_batch}, {self.opt_batch}, {self.max_batch}"
            raise ConfigError(f"export.min_batch, opt_batch, max_batch = {sizes}: expected 1 <= min <= opt <= max")


@dataclass(kw_only=True)
class PredictConfig:
    backend: str
    model: str | None
    device: str
    top_k: int
    batch_size: int
    overlap: float
    output: str | None
    video_dir: str | None

    def __post_init__(self) -> None:
        check_choice("predict.backend", self.backend, ("torch", "onnx", "tensorrt"))
        check_choice("predict.device", self.device, ("auto", "cpu", "cuda"))
        check_at_least("predict.top_k", self.top_k, 1)
        check_at_least("predict.batch_size", self.batch_size, 1)
        if not 0 <= self.overlap < 1:
            raise ConfigError(f"predict.overlap={self.overlap}: expected at least 0 and below 1")


@dataclass(kw_only=True)
class CompareConfig:
    """What `compare-runs` reads; `experiments` and `runs` become lists of names or ids, or None."""

    experiments: Any
    runs: Any
    baseline: str | None
    metric: str
    output_dir: str

    def __post_init__(self) -> None:
        self.experiments = _names("compare.experiments", self.experiments)
        self.runs = _names("compare.runs", self.runs)
        check_choice("compare.metric", self.metric, ("top1", "top3", "top5", "mean_class_accuracy"))


def _names(key: str, given: Any) -> list[str] | None:
    if given is None or given == []:
        return None
    if isinstance(given, dict):
        raise ConfigError(f"{key}={given}: expected names, [a,b]")
    return [str(name) for name in given] if isinstance(given, list) else [str(given)]


@dataclass(kw_only=True)
class TuneConfig:
    """A search with Optuna; `space` maps configuration keys to what they may be, see `experiments.space`."""

    study: str
    trials: int
    timeout_minutes: float | None
    startup_trials: int
    pruner: str
    warmup_epochs: int
    storage: str
    output_dir: str
    space: dict[str, Any]

    def __post_init__(self) -> None:
        check_choice("tune.pruner", self.pruner, ("median", "none"))
        for name in ("trials", "startup_trials"):
            check_at_least(f"tune.{name}", getattr(self, name), 1)
        check_at_least("tune.warmup_epochs", self.warmup_epochs, 0)
        if self.timeout_minutes is not None and self.timeout_minutes <= 0:
            raise ConfigError(f"tune.timeout_minutes={self.timeout_minutes}: expected more than 0, or null")


@dataclass(kw_only=True)
class Config:
    """The whole configuration, one field a Hydra group."""

    plots_dir: str
    data: DataConfig
    model: ModelConfig
    optimizer: OptimizerConfig
    trainer: TrainerConfig
    evaluation: EvaluationConfig
    tracking: TrackingConfig
    export: ExportConfig
    predict: PredictConfig
    compare: CompareConfig
    tune: TuneConfig
    overrides: list[str] = field(default_factory=list)
