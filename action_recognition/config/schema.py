"""What every configuration key may be: one dataclass a Hydra group, whose fields declare their ranges."""

from dataclasses import dataclass, field
from typing import Annotated, Any

from action_recognition.config.checking import NOT_A_KEY, Section, checked
from action_recognition.config.clip_schema import AugmentConfig, ClipConfig
from action_recognition.config.data_schema import DataConfig
from action_recognition.config.network_arguments import NETWORK_ARGUMENTS
from action_recognition.config.rules import (
    FOLDER_NAME,
    TEXT_BY_PART,
    TRUTH_OR_WORDS,
    WORDS,
    Count,
    Effect,
    Lifetime,
    Seconds,
    Seed,
    Share,
    ShareBelowOne,
)
from action_recognition.errors import ConfigError
from action_recognition.utils.rules import DISTINCT, Choice, Length, Range

# What a network is given instead of RGB frames; see `transforms.motion_inputs`.
INPUTS = ("rgb", "residual", "rgb_residual")
# The sections of a page of `visualize`; see `explain.page`.
VIEWS = ("maps", "kernels", "histograms", "cam", "attention")
CAM_METHODS = ("grad_cam", "ablation_cam")

ShareOfBatches = Annotated[float, Range(above=0, most=1)]
BatchSize = Annotated[int, Range(1, 65536)]


@dataclass(kw_only=True)
class ModelConfig(Section, key="model"):
    """A network of `action_recognition.models.networks` by name, with its keyword arguments.

    `input` is what it is given of the frames. `weights` are pretrained ones: a name, a path or a URL, or for a network
    of several parts a mapping from part to these; null for none. `default_lr` is the learning rate that suits the
    network with Adam and AdamW; `optimizer.lr` is that unless it is given.
    """

    network: str
    args: dict[str, Any]
    input: Annotated[str, Choice(*INPUTS)] = "rgb"
    weights: Annotated[Any, TEXT_BY_PART, Lifetime.START] = None
    # optimizer.lr says what was used.
    default_lr: Annotated[float, Range(above=0, most=1), Effect.NONE] = 0.002

    def check_together(self) -> None:
        self.args = {
            name: checked(NETWORK_ARGUMENTS.get(name, Any), value, f"model.args.{name}")
            for name, value in self.args.items()
        }


@dataclass(kw_only=True)
class OptimizerConfig(Section, key="optimizer"):
    """`layer_decay` multiplies the learning rate once a stage, from the head (1) towards the input.

    `targets` are class numbers (`sparse`) or a row of shares a clip (`one_hot`); the loss is the same.
    """

    name: Annotated[str, Choice("adam", "adamw", "sgd")]
    lr: Annotated[float, Range(above=0, most=1_000_000)]
    weight_decay: Annotated[float, Range(0, 1000)]
    schedule: Annotated[str, Choice("cosine", "constant")]
    warmup_epochs: Annotated[float, Range(0, 1_000_000)]
    label_smoothing: ShareBelowOne
    momentum: ShareBelowOne = 0.9
    layer_decay: Annotated[float, Range(above=0, most=1)] = 1.0
    targets: Annotated[str, Choice("sparse", "one_hot")] = "sparse"


@dataclass(kw_only=True)
class TrainerConfig(Section, key="trainer"):
    """`precision` and `memory_format` `auto` measure the model's own step once a machine and keep the faster.

    `freeze=backbone` trains the head alone; with `unfreeze_every` one more stage joins every so many epochs.
    `feature_views` caches the frozen backbone's features of so many augmented views a clip and trains on them.
    `limit_train_batches` and `limit_val_batches` are a number of batches, or a share of them all.
    `activation_histograms` becomes true, false, or a list of names and patterns of layers.
    """

    max_epochs: Count
    patience: Count
    seed: Annotated[Seed, Effect.ON_CLIPS]
    accelerator: Annotated[str, Choice("auto", "cpu", "gpu", "cuda", "mps"), Lifetime.MACHINE]
    devices: Annotated[Annotated[int, Range(1, 256)] | Annotated[str, Choice("auto")], Lifetime.MACHINE]
    accumulate: BatchSize
    ema_decay: Annotated[float, Range(above=0, below=1)] | None
    compile: bool
    freeze: Annotated[str, Choice("none", "backbone")]
    unfreeze_every: Count | None
    feature_views: Annotated[int, Range(0, 1000)]
    precision: Annotated[str, Choice("auto", "32-true", "bf16-mixed", "16-mixed")]
    memory_format: Annotated[str, Choice("auto", "contiguous", "channels_last_3d")]
    gradient_clip: Annotated[float, Range(above=0, most=1_000_000)] | None
    limit_train_batches: Count | ShareOfBatches | None
    limit_val_batches: Annotated[Count | ShareOfBatches | None, Effect.ON_CLIPS]
    calibrate: bool
    activation_histograms: Annotated[Any, TRUTH_OR_WORDS, Effect.NONE] = False
    resume: Annotated[str | None, Lifetime.COMMAND, Effect.ON_CLIPS, Effect.NONE]
    run_dir: Annotated[str | None, Lifetime.COMMAND, Effect.ON_CLIPS, Effect.NONE]

    def check_together(self) -> None:
        if not isinstance(self.activation_histograms, bool):
            self.activation_histograms = _names(self.activation_histograms) or False
        if self.unfreeze_every is not None and self.freeze != "backbone":
            raise ConfigError(f"trainer.unfreeze_every={self.unfreeze_every}: needs trainer.freeze=backbone")
        if self.devices != 1 and (self.feature_views or self.unfreeze_every):
            line = "trainer.feature_views and unfreeze_every are for a single process"
            raise ConfigError(f"trainer.devices={self.devices}: {line}; give trainer.devices=1")
        if self.feature_views and (self.freeze != "backbone" or self.unfreeze_every):
            line = "trainer.feature_views: features can be kept of a frozen backbone only; give trainer.freeze=backbone"
            raise ConfigError(f"{line} and trainer.unfreeze_every=null")


@dataclass(kw_only=True)
class EvaluationConfig(Section, key="evaluation", marks=(Lifetime.COMMAND,)):
    checkpoint: str
    split: Annotated[str, Choice("val", "test")]
    metrics: str
    allow_leakage: bool
    bootstrap: Annotated[int, Range(1, 100_000)]
    target_risk: Share | None


@dataclass(kw_only=True)
class TrackingConfig(Section, key="tracking", marks=(Lifetime.COMMAND,)):
    tracking_uri: str
    artifact_root: str
    experiment: str
    run_name: str | None
    system_metrics: bool
    registered_model: str
    dvc_remote: str | None
    dvc_allow_modified: bool


@dataclass(kw_only=True)
class ExportConfig(Section, key="export", marks=(Lifetime.COMMAND,)):
    checkpoint: str
    onnx: str
    opset: Annotated[int, Range(18, 99)]
    tolerance: Annotated[float, Range(above=0, most=1)]
    parity_clips: Annotated[int, Range(0, 1000)]
    engine: Annotated[str, Choice("tensorrt", "tensorrt_rtx")]
    engine_path: str
    compute_capability: str | None
    precision: Annotated[str, Choice("fp32", "fp16")]
    min_batch: BatchSize
    opt_batch: BatchSize
    max_batch: BatchSize

    def check_together(self) -> None:
        if not self.min_batch <= self.opt_batch <= self.max_batch:
            sizes = f"{self.min_batch}, {self.opt_batch}, {self.max_batch}"
            raise ConfigError(f"export.min_batch, opt_batch, max_batch = {sizes}: expected 1 <= min <= opt <= max")


@dataclass(kw_only=True)
class PredictConfig(Section, key="predict", marks=(Lifetime.COMMAND,)):
    backend: Annotated[str, Choice("torch", "onnx", "tensorrt")] | None
    model: str | None
    device: Annotated[str, Choice("auto", "cpu", "cuda")]
    top_k: Count
    batch_size: BatchSize | None
    overlap: ShareBelowOne
    fps: Annotated[float, Range(above=0, most=1000)] | None
    workers: Annotated[int, Range(0, 256)]
    output: str | None
    video_dir: str | None
    timeline_dir: str | None
    cut: str | None
    threshold: Share | None
    smoothing_seconds: Seconds
    min_seconds: Seconds
    merge_seconds: Seconds
    max_seconds: Annotated[float, Range(above=0, most=10_000_000)] | None
    latency_seconds: Annotated[float, Range(0.05, 3600)]
    reconnect_seconds: Seconds


@dataclass(kw_only=True)
class VisualizeConfig(Section, key="visualize", marks=(Lifetime.COMMAND,)):
    """What `visualize` draws; `layers` are names or shell patterns, or None for the last layer of each stage."""

    checkpoint: str | None
    what: Annotated[list[Annotated[str, Choice(*VIEWS)]], Length(1, len(VIEWS))]
    layers: Annotated[Any, WORDS] | None
    channels: Annotated[int, Range(1, 64)]
    label: str | None
    second: Annotated[float, Range(0, 10_000_000)] | None
    cam: Annotated[list[Annotated[str, Choice(*CAM_METHODS)]], Length(1, len(CAM_METHODS))]
    cam_layer: str | None
    target: str | None
    device: Annotated[str, Choice("auto", "cpu", "cuda")]
    output_dir: str

    def check_together(self) -> None:
        self.layers = _names(self.layers)


@dataclass(kw_only=True)
class CompareConfig(Section, key="compare", marks=(Lifetime.COMMAND,)):
    """What `compare-runs` and `compare-models` read; `experiments` and `runs` become lists of names or ids, or None."""

    experiments: Annotated[Any, WORDS] | None
    runs: Annotated[Any, WORDS] | None
    baseline: str | None
    metric: str  # a registered metric: `evaluation.metrics` lies above this room, so the commands check it
    output_dir: str
    models_dir: str
    examples: Annotated[int, Range(0, 1000)]

    def check_together(self) -> None:
        self.experiments, self.runs = _names(self.experiments), _names(self.runs)


def _names(given: Any) -> list[str] | None:
    if given is None or given == []:
        return None
    return [str(name) for name in given] if isinstance(given, list) else [str(given)]


@dataclass(kw_only=True)
class TuneConfig(Section, key="tune", marks=(Lifetime.COMMAND,)):
    """A search with Optuna; `space` maps configuration keys to what they may be, see `experiments.space`."""

    study: str
    trials: Count
    timeout_minutes: Annotated[float, Range(above=0, most=10_000_000)] | None
    startup_trials: Count
    pruner: Annotated[str, Choice("median", "none")]
    warmup_epochs: Annotated[int, Range(0, 1_000_000)]
    storage: str
    output_dir: str
    space: dict[str, Any]


@dataclass(kw_only=True)
class SplitsConfig(Section, key="splits", marks=(Lifetime.COMMAND,)):
    """What `evaluate-splits` reads: which official splits it trains and tests, and where that is kept."""

    name: Annotated[str, FOLDER_NAME]
    numbers: Annotated[list[Annotated[int, Choice(1, 2, 3)]], Length(1, 3), DISTINCT]
    output_dir: str


@dataclass(kw_only=True)
class Config(Section):
    """The whole configuration, one field a Hydra group."""

    plots_dir: str
    clip: ClipConfig
    augment: AugmentConfig
    data: DataConfig
    model: ModelConfig
    optimizer: OptimizerConfig
    trainer: TrainerConfig
    evaluation: EvaluationConfig
    tracking: TrackingConfig
    export: ExportConfig
    predict: PredictConfig
    visualize: VisualizeConfig
    compare: CompareConfig
    tune: TuneConfig
    splits: SplitsConfig
    # The overrides that were given, and the option of each group that they chose.
    overrides: list[str] = field(default_factory=list, metadata=NOT_A_KEY)
    choices: dict[str, Any] = field(default_factory=dict, metadata=NOT_A_KEY)
