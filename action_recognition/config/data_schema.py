"""What the keys of the `data` group may be."""

from dataclasses import dataclass
from typing import Annotated, Any

from action_recognition.config.checking import Section
from action_recognition.config.rules import FOLDER_NAME, Count, Effect, Lifetime, Seed, ShareBelowOne, pattern
from action_recognition.errors import ConfigError
from action_recognition.utils.rules import Choice, Length, Range

MOST_PIXELS = 1 << 30  # OpenCV decodes no larger image

Megabytes = Annotated[float, Range(above=0, most=1_000_000)]
JpegQuality = Annotated[int, Range(1, 100)]
SplitCounts = Annotated[list[Annotated[int, Range(0, 1_000_000_000)]], Length(3, 3)]
SEQUENCE_GROUPS = ("subject", "label", "frame")


@dataclass(kw_only=True)
class MirrorConfig(Section, key="data.mirrors"):
    """Where an archive is to be had: a URL, a path, or `hf://datasets/OWNER/REPO/PATTERN` for files of the hub.

    `size` in bytes and the checksums are checked where known; what the hub's listing promises always is.
    """

    url: str
    size: Annotated[int, Range(0, 10**15)] | None = None
    sha256: str | None = None
    md5: str | None = None


@dataclass(kw_only=True)
class MirrorsConfig(Section, key="data.mirrors", marks=(Lifetime.START, Effect.NONE)):
    """Lists of `MirrorConfig`, to be tried in turn; a plain text is a URL of which nothing else is known."""

    videos: list[MirrorConfig]
    splits: list[MirrorConfig]

    def __post_init__(self) -> None:
        self.videos, self.splits = _mirrors(self.videos), _mirrors(self.splits)
        super().__post_init__()


def _mirrors(given: Any) -> Any:
    return [{"url": mirror} if isinstance(mirror, str) else mirror for mirror in given] if given else given


@dataclass(kw_only=True)
class FullSetConfig(Section, key="data.full_set", marks=(Effect.NONE,)):
    """What the whole data set holds; `train` and `test` are the clips of splits 1, 2 and 3."""

    classes: Annotated[int, Range(1, 1_000_000)]
    clips: Annotated[int, Range(1, 1_000_000_000)]
    train: SplitCounts
    test: SplitCounts


@dataclass(kw_only=True)
class ShardsConfig(Section, key="data.shards", marks=(Effect.NONE,)):
    """`export-shards` writes to `dir`; `data=shards` reads from `url`, shuffling `buffer` clips at a time."""

    dir: str
    max_megabytes: Megabytes
    jpeg_quality: JpegQuality
    url: str | None
    buffer: Count


@dataclass(kw_only=True)
class CacheConfig(Section, key="data.cache", marks=(Effect.NONE,)):
    """Where `cache-data` keeps decoded clips, and how; `auto` is raw unless that is larger than `max_gigabytes`."""

    dir: str | None
    codec: Annotated[str, Choice("auto", "raw", "jpeg")]
    quality: JpegQuality
    max_gigabytes: Annotated[float, Range(0, 1_000_000)]
    prune: bool


@dataclass(kw_only=True)
class DataConfig(Section, key="data"):
    """A data set, its split, and how it is loaded."""

    kind: Annotated[str, Effect.ON_CLIPS, Effect.NONE]  # one of `datasets.DATASETS`
    name: Annotated[str, FOLDER_NAME, Effect.ON_CLIPS]
    dir: Annotated[str, Effect.NONE]
    videos_dir: Annotated[str, Effect.ON_CLIPS, Effect.NONE]
    splits_dir: Annotated[str | None, Effect.NONE]
    archive: Annotated[str | None, Lifetime.START, Effect.NONE]
    splits_archive: Annotated[str | None, Lifetime.START, Effect.NONE]
    mirrors: MirrorsConfig
    hub: Annotated[str, Effect.NONE]
    keep_downloads: Annotated[bool, Effect.NONE]
    full_set: FullSetConfig | None
    split: Annotated[int, Choice(1, 2, 3), Effect.ON_CLIPS]
    source_pattern: Annotated[Annotated[str, pattern()] | None, Effect.ON_CLIPS, Effect.NONE]
    test_fraction: Annotated[ShareBelowOne, Effect.ON_CLIPS]
    val_fraction: Annotated[ShareBelowOne, Effect.ON_CLIPS]
    split_seed: Annotated[Seed, Effect.ON_CLIPS]
    batch_size: Annotated[int, Range(1, 65536)]
    num_workers: Annotated[int, Range(-1, 256)]
    test_clips: Annotated[int, Range(1, 1000)]
    test_crops: Annotated[int, Choice(1, 3)]
    clips_per_video: Annotated[int, Range(1, 1000)]
    sampling: Annotated[str, Choice("shuffle", "class_balanced")]
    max_pixels: Annotated[int, Range(1, MOST_PIXELS)]
    cache: CacheConfig
    shards: ShardsConfig
    in_memory: bool = False
    synthetic: Annotated[bool, Effect.NONE] = False
    labels_csv: Annotated[str | None, Effect.NONE] = None
    train_subjects: list[str] | None = None
    test_subjects: list[str] | None = None
    sequence_pattern: Annotated[str, pattern(*SEQUENCE_GROUPS)] = r"(?P<subject>S\d+)-(?P<label>G\d+)-T(?P<frame>\d+)"
    sequence_length: Count | None = None
    min_sequence: Count = 6

    def check_together(self) -> None:
        if self.sequence_length is not None and self.sequence_length < self.min_sequence:
            line = f"data.sequence_length={self.sequence_length}: expected at least data.min_sequence"
            raise ConfigError(f"{line}={self.min_sequence}, below which sequences are not used")
        if both := sorted(set(self.train_subjects or ()) & set(self.test_subjects or ())):
            raise ConfigError(f"data.train_subjects and data.test_subjects: {both[0]} is in both; leave it in one")
