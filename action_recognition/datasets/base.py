"""The protocol of a data set: its clips with their splits, how to download it, and what its frames look like."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from action_recognition.config import Config, DataConfig
from action_recognition.config.checking import shown
from action_recognition.datasets.records import ClipRecord, Manifest
from action_recognition.errors import ConfigError, check_choice


class Dataset(ABC):
    """One `data.kind`. It has no state: the configuration says where the files are.

    Attributes:
        is_video: clips are video files, which are cached and exported; otherwise images, which are read as they are.
        reads_shards: clips are streamed from shards, which bring a manifest and the section `clip`.
        is_downloadable: `download-data` can get it.
        channels, bits: channels of a frame, and the allowed bits per value.
        source_noun: what a clip's `source_video` is called, in the singular; the plural adds an `s`.
        downloader: `module:function` that gets the files for `download-data`; called with `(data, console)`.
        renderer: `module:function` that renders the set where `data.synthetic` is true; called with the folder
            `data.dir` and `progress=`. Empty if there is none.
    """

    is_video: ClassVar[bool] = True
    reads_shards: ClassVar[bool] = False
    is_downloadable: ClassVar[bool] = True
    channels: ClassVar[int] = 3
    bits: ClassVar[tuple[int, ...]] = (8,)
    source_noun: ClassVar[str] = "source video"
    downloader: ClassVar[str] = "action_recognition.download.dataset_download:download_videos"
    renderer: ClassVar[str] = ""

    @abstractmethod
    def list_clips(self, config: Config) -> list[ClipRecord]:
        """Every clip with path, label, source video, split and size; decoding counts its frames later.

        Raises:
            DataError: for missing files, or files that are not this data set.
        """

    def check(self, config: Config) -> None:
        """Refuse a configuration that does not suit the data set, before any file is read.

        Raises:
            ConfigError: for other channels or bits, a crop larger than the frame, or `data.synthetic` without renderer.
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
        """One line if nothing tells which clips share a source, otherwise empty."""
        return ""

    def file_remarks(self, manifest: Manifest) -> list[str]:  # noqa: ARG002
        """Files beside the clips that are not used, one line per kind."""
        return []

    def split_remarks(self, manifest: Manifest, data: DataConfig) -> list[str]:  # noqa: ARG002
        """What a reader of scores has to know about the split, one line each."""
        return []
