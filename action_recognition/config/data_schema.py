"""What the keys of the `data` group may be."""

import re
from dataclasses import dataclass, field
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from action_recognition.contract import SHORT_CLIP_POLICIES
from action_recognition.errors import ConfigError, check_at_least, check_choice, first_line

DATA_KINDS = ("demo", "hmdb51", "ucf101", "folder", "shards", "stills", "depth")


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
