"""What a data set has to say of itself: its clips with their splits, how they are downloaded, what they look like."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from action_recognition.config import Config, DataConfig
from action_recognition.config.checking import shown
from action_recognition.datasets.records import ClipRecord, Manifest
from action_recognition.errors import ConfigError, DataError, check_choice


@dataclass(frozen=True)
class SourceNoun:
    """What clips that belong together have in common: `source video`, `subject`."""

    one: str
    many: str


class Dataset(ABC):
    """A kind of data set, by `data.kind`. It holds nothing: where the files are is in the configuration.

    Attributes:
        is_video: clips are video files, which are cached and exported; else images, which are read as they are.
        reads_shards: clips are streamed from shards, which bring a manifest and the section `clip`.
        is_downloadable: `download-data` knows where to get it.
        channels, bits: of a frame's pixels, and how many bits a value may have.
        source_noun: what a clip's `source_video` is called.
        downloader: `module:function` that gets the files for `download-data`; called with `(data, console)`.
        renderer: `module:function` that draws the set where `data.synthetic` is true; called with the folder
            `data.dir` and `progress=`. Empty if nothing does.
    """

    is_video: ClassVar[bool] = True
    reads_shards: ClassVar[bool] = False
    is_downloadable: ClassVar[bool] = True
    channels: ClassVar[int] = 3
    bits: ClassVar[tuple[int, ...]] = (8,)
    source_noun: ClassVar[SourceNoun] = SourceNoun("source video", "source videos")
    downloader: ClassVar[str] = "action_recognition.download.dataset_download:download_videos"
    renderer: ClassVar[str] = ""

    @abstractmethod
    def list_clips(self, config: Config) -> list[ClipRecord]:
        """Every clip with path, label, source video, split and size; frames are counted later, by decoding.

        Raises:
            DataError: for missing files, or files that are not this data set.
        """

    def check(self, config: Config) -> None:
        """Refuse a configuration that does not suit the data set, before any file is looked at.

        Raises:
            ConfigError: for frames of other channels or bits, or a crop that is larger than the frame.
        """
        clip, data, count = config.clip, config.data, self.channels
        if not self.reads_shards and clip.short_side < clip.size:  # shards bring what is not given here
            line = f"clip.short_side={clip.short_side}: expected at least clip.size={clip.size}, which is cut from it"
            raise ConfigError(line)
        check_choice("clip.bits", clip.bits, self.bits)
        if (len(clip.mean), len(clip.std)) != (count, count):
            given = f"clip.mean={shown(clip.mean)}, clip.std={shown(clip.std)}"
            what = "one channel, so one value" if count == 1 else f"{count} channels, so {count} values"
            raise ConfigError(f"{given}: frames of data.kind={data.kind} have {what} each")
        if data.synthetic and not self.renderer:
            line = f"data.synthetic=true: nothing renders data.kind={data.kind}"
            raise ConfigError(f"{line}; use data=demo, stills_demo or depth_demo")

    def unknown_sources(self, records: Sequence[ClipRecord], data: DataConfig) -> str:  # noqa: ARG002
        """One line where nothing is known of which clips belong together; empty where something is."""
        return ""

    def split_remarks(self, manifest: Manifest, data: DataConfig) -> list[str]:  # noqa: ARG002
        """What a reader of scores has to know about the split, one line each."""
        return []


class ImageDataset(Dataset):
    """A data set of image files, which is split here: `data.test_fraction` and `data.val_fraction` are cut off."""

    is_video = False
    downloader = "action_recognition.download.image_sets:download_images"
    where_to_get: ClassVar[str] = "give data.archive=FILE|FOLDER, or point data.videos_dir at the images"

    @abstractmethod
    def folder_in_archive(self, data: DataConfig, files: Path, images: Sequence[Path]) -> Path:
        """The folder below `files`, an unpacked archive, that becomes `data.videos_dir`; `images` are all in it.

        Raises:
            DataError: if the archive holds something else.
        """


def existing_folder(data: DataConfig) -> Path:
    """`data.videos_dir`; raises `DataError` if there is no such directory."""
    path = Path(data.videos_dir)
    if not path.is_dir():
        bring = f"python commands.py download-data data={data.name} brings it"
        raise DataError(f"data.videos_dir={path}: no such directory; {bring}")
    return path
