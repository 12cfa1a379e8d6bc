"""What every configuration key may be: one dataclass a Hydra group, checked when it is made."""

import re
from dataclasses import dataclass, field
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from action_recognition.contract import SHORT_CLIP_POLICIES
from action_recognition.errors import ConfigError, check_at_least, check_choice, first_line

DATA_KINDS = ("demo", "hmdb51", "ucf101", "folder", "shards", "stills", "depth")
# What a network is given instead of RGB frames; see `models.inputs`.
INPUTS = ("rgb", "residual", "rgb_residual")


@dataclass(kw_only=True)
class AugmentConfig:
    """Training-time augmentation; `crop_scale` is the share of the frame's area, colour values are +- factors.

    `randaugment_ops` of `randaugment_magnitude` (0-10) follow colour; `erasing_scale` is a share of the frame's area;
    `mixup_alpha` and `cutmix_alpha` are the Beta distribution's parameter, 0 for none, one of the two drawn a batch.
    """

    crop_scale: list[float]
    crop_ratio: list[float]
    flip_probability: float
    keep_direction: list[str]
    brightness: float
    contrast: float
    saturation: float
    temporal_jitter: bool
    randaugment_ops: int = 0
    randaugment_magnitude: float = 9.0
    erasing_probability: float = 0.0
    erasing_scale: list[float] = field(default_factory=lambda: [0.02, 0.33])
    mixup_alpha: float = 0.0
    cutmix_alpha: float = 0.0

    def __post_init__(self) -> None:
        check_at_least("data.augment.randaugment_ops", self.randaugment_ops, 0)
        for name in ("mixup_alpha", "cutmix_alpha"):
            check_at_least(f"data.augment.{name}", getattr(self, name), 0)
        if not 0 <= self.randaugment_magnitude <= 10:
            line = f"data.augment.randaugment_magnitude={self.randaugment_magnitude}: expected 0 to 10"
            raise ConfigError(line)
        if not 0 <= self.erasing_probability <= 1:
            raise ConfigError(f"data.augment.erasing_probability={self.erasing_probability}: expected 0 to 1")
        if len(self.erasing_scale) != 2 or not 0 < self.erasing_scale[0] <= self.erasing_scale[1] < 1:
            raise ConfigError(
                f"data.augment.erasing_scale={self.erasing_scale}: expected [low, high], 0 < low <= high < 1"
            )
        if len(self.crop_scale) != 2 or not 0 < self.crop_scale[0] <= self.crop_scale[1] <= 1:
            raise ConfigError(f"data.augment.crop_scale={self.crop_scale}: expected [low, high], 0 < low <= high <= 1")
        if len(self.crop_ratio) != 2 or not 0 < self.crop_ratio[0] <= self.crop_ratio[1]:
            raise ConfigError(f"data.augment.crop_ratio={self.crop_ratio}: expected [low, high], 0 < low <= high")
        if not 0 <= self.flip_probability <= 1:
            raise ConfigError(f"data.augment.flip_probability={self.flip_probability}: expected 0 to 1")


@dataclass(kw_only=True)
class MirrorConfig:
    """Where an archive is to be had: a URL, a path, or `hf://datasets/OWNER/REPO/PATTERN` for files of the hub.

    `size` in bytes and the checksums are checked where known; what the hub's listing promises always is.
    """

    url: str
    size: int | None = None
    sha256: str | None = None
    md5: str | None = None


@dataclass(kw_only=True)
class MirrorsConfig:
    """Lists of `MirrorConfig`, to be tried in turn; a plain text is a URL of which nothing else is known."""

    videos: list[Any]
    splits: list[Any]

    def __post_init__(self) -> None:
        self.videos = [_mirror(given) for given in self.videos]
        self.splits = [_mirror(given) for given in self.splits]


def _mirror(given: Any) -> MirrorConfig:
    entry = {"url": given} if isinstance(given, str) else given
    try:
        return OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(MirrorConfig), entry))  # type: ignore[return-value]
    except (OmegaConfBaseException, ValueError) as error:
        line = f"data.mirrors: {given}: expected a URL, or url with size, sha256, md5 ({first_line(error)})"
        raise ConfigError(line) from None


@dataclass(kw_only=True)
class FullSetConfig:
    """What the whole data set holds; `train` and `test` are the clips of splits 1, 2 and 3."""

    classes: int
    clips: int
    train: list[int]
    test: list[int]

    def __post_init__(self) -> None:
        if len(self.train) != 3 or len(self.test) != 3:
            raise ConfigError(f"data.full_set: train={self.train}, test={self.test}: expected three counts each")


@dataclass(kw_only=True)
class ShardsConfig:
    """`export-shards` writes to `dir`; `data=shards` reads from `url`, shuffling `buffer` clips at a time."""

    dir: str
    max_megabytes: float
    jpeg_quality: int
    url: str | None
    buffer: int

    def __post_init__(self) -> None:
        if not 1 <= self.jpeg_quality <= 100:
            raise ConfigError(f"data.shards.jpeg_quality={self.jpeg_quality}: expected 1 to 100")
        check_at_least("data.shards.buffer", self.buffer, 1)
        if self.max_megabytes <= 0:
            raise ConfigError(f"data.shards.max_megabytes={self.max_megabytes}: expected more than 0")


@dataclass(kw_only=True)
class CacheConfig:
    """Where `cache-data` keeps decoded clips, and how; `auto` is raw unless that is larger than `max_gigabytes`."""

    dir: str | None
    codec: str
    quality: int
    max_gigabytes: float
    prune: bool

    def __post_init__(self) -> None:
        check_choice("data.cache.codec", self.codec, ("auto", "raw", "jpeg"))
        check_at_least("data.cache.max_gigabytes", self.max_gigabytes, 0)
        if not 1 <= self.quality <= 100:
            raise ConfigError(f"data.cache.quality={self.quality}: expected 1 to 100")


@dataclass(kw_only=True)
class DataConfig:
    """A data set and how clips are cut from it."""

    kind: str
    name: str
    dir: str
    videos_dir: str
    splits_dir: str | None
    archive: str | None
    splits_archive: str | None
    mirrors: MirrorsConfig
    hub: str
    keep_downloads: bool
    full_set: FullSetConfig | None
    split: int
    source_pattern: str | None
    test_fraction: float
    val_fraction: float
    split_seed: int
    frames: int
    stride: int
    short_side: int
    size: int
    short_clip: str
    mean: list[float]
    std: list[float]
    batch_size: int
    num_workers: int
    test_clips: int
    test_crops: int
    clips_per_video: int
    sampling: str
    cache: CacheConfig
    shards: ShardsConfig
    augment: AugmentConfig
    in_memory: bool = False
    synthetic: bool = False
    labels_csv: str | None = None
    train_subjects: list[str] | None = None
    test_subjects: list[str] | None = None
    sequence_pattern: str = r"(?P<subject>S\d+)-(?P<label>G\d+)-T(?P<frame>\d+)"
    sequence_length: int | None = None
    min_sequence: int = 6
    bits: int = 8

    def __post_init__(self) -> None:
        check_choice("data.kind", self.kind, DATA_KINDS)
        self._check_images()
        check_choice("data.split", self.split, (1, 2, 3))
        check_choice("data.short_clip", self.short_clip, SHORT_CLIP_POLICIES)
        check_choice("data.test_crops", self.test_crops, (1, 3))
        check_choice("data.sampling", self.sampling, ("shuffle", "class_balanced"))
        for name in ("frames", "stride", "size", "batch_size", "test_clips", "clips_per_video"):
            check_at_least(f"data.{name}", getattr(self, name), 1)
        if self.kind != "shards":  # those bring what is not given here
            check_at_least("data.short_side", self.short_side, self.size)
        check_at_least("data.num_workers", self.num_workers, -1)
        for name in ("test_fraction", "val_fraction"):
            if not 0 <= getattr(self, name) < 1:
                raise ConfigError(f"data.{name}={getattr(self, name)}: expected at least 0 and below 1")
        if self.source_pattern is not None:
            try:
                re.compile(self.source_pattern)
            except re.error as error:
                line = f"data.source_pattern={self.source_pattern}: not a regular expression ({error})"
                raise ConfigError(line) from None

    def _check_images(self) -> None:
        """The keys of stills and depth sequences."""
        check_choice("data.bits", self.bits, (8, 16) if self.kind == "depth" else (8,))
        check_at_least("data.min_sequence", self.min_sequence, 1)
        if self.sequence_length is not None:
            check_at_least("data.sequence_length", self.sequence_length, self.min_sequence)
        if self.synthetic and self.kind not in ("stills", "depth"):
            raise ConfigError(f"data.synthetic=true: not with data.kind={self.kind}; use data=stills_demo, depth_demo")
        if self.kind == "depth" and (len(self.mean), len(self.std)) != (1, 1):
            raise ConfigError(f"data.mean={self.mean}, data.std={self.std}: depth has one channel, so one value each")
        if both := sorted(set(self.train_subjects or ()) & set(self.test_subjects or ())):
            raise ConfigError(f"data.train_subjects and data.test_subjects: {both[0]} is in both; leave it in one")
        try:
            groups = re.compile(self.sequence_pattern).groupindex
        except re.error as error:
            line = f"data.sequence_pattern={self.sequence_pattern}: not a regular expression ({error})"
            raise ConfigError(line) from None
        if missing := sorted({"subject", "label", "frame"} - set(groups)):
            line = f"data.sequence_pattern={self.sequence_pattern}: no group (?P<{missing[0]}>...)"
            raise ConfigError(f"{line}; it needs subject, label and frame")


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
