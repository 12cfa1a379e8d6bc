"""Videos in one folder per class: the layout that most data sets share."""

from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from action_recognition.config import Config, DataConfig
from action_recognition.datasets.base import Dataset
from action_recognition.datasets.records import ClipRecord, Manifest
from action_recognition.datasets.splits import split_off
from action_recognition.errors import DataError
from action_recognition.utils.text import first_names, printable
from action_recognition.video.decoder import VIDEO_SUFFIXES
from action_recognition.video.regular_files import size_bytes


class VideoFolders(Dataset):
    """Videos in one folder per class. Validation clips are cut off by source video."""

    @abstractmethod
    def parse_clip_name(self, stem: str, *, label: str) -> dict[str, str]:
        """Fields of `ClipRecord` that a file name tells: `source_video`, which defaults to `stem`, and tags."""

    @abstractmethod
    def assign_splits(self, records: Sequence[ClipRecord], data: DataConfig) -> list[ClipRecord]:
        """The records with split `train`, `test` or `unused`; raises `DataError` if the splits are not known."""

    def list_clips(self, config: Config) -> list[ClipRecord]:
        data, videos_dir = config.data, Path(config.data.videos_dir)
        records = []
        for folder in class_folders(videos_dir):
            for video in list_videos(folder):
                named: dict[str, Any] = {**self.parse_clip_name(video.stem, label=folder.name)}
                path, size = video.relative_to(videos_dir).as_posix(), size_bytes(video)
                records.append(ClipRecord(path=path, label=folder.name, split="unused", size_bytes=size, **named))
        if not records:
            raise DataError(f"data.videos_dir={videos_dir}: no videos in its class folders")
        split = self.assign_splits(records, data)
        return split_off(split, into="val", fraction=data.val_fraction, seed=data.split_seed)

    def file_remarks(self, manifest: Manifest) -> list[str]:
        """Class folders without videos, whose classes the model will not know, and files that are not videos."""
        root, lines = manifest.videos_dir, []
        folders = class_folders(root)
        if bare := [folder.name for folder in folders if folder.name not in manifest.class_names]:
            lines.append(f"folders without videos, so no classes: {first_names(bare)}")
        stray = sorted(path for path in root.glob("[!.]*") if path.is_file())
        for folder in folders:
            stray += [p for p in sorted(folder.glob("[!.]*")) if p.suffix.lower() not in VIDEO_SUFFIXES]
        if stray:
            names = first_names(path.relative_to(root).as_posix() for path in stray)
            lines.append(f"ignored because they are not clips of a class ({len(stray)} files or folders): {names}")
        return lines


def class_folders(videos_dir: Path) -> list[Path]:
    """Folders of clips, one per class, in alphabetical order.

    Raises:
        DataError: if there is none, or if the name of one cannot be a label.
    """
    if not videos_dir.is_dir():
        raise DataError(f"data.videos_dir={videos_dir}: no such directory; python commands.py download-data brings it")
    folders = sorted(path for path in videos_dir.iterdir() if path.is_dir() and not path.name.startswith("."))
    if not folders:
        raise DataError(f"data.videos_dir={videos_dir}: expected one folder of videos per class, found no folder")
    for folder in folders:
        if folder.name != printable(folder.name):  # labels go into model files, which hold UTF-8
            line = "is a class name that is not UTF-8 or has control characters; rename the folder"
            raise DataError(f"data.videos_dir={videos_dir}: {folder.name} {line}")
    return folders


def list_videos(folder: Path) -> list[Path]:
    """Files of `folder` with the suffix of a video, in alphabetical order, including unreadable but no hidden ones."""
    return sorted(path for path in folder.glob("[!.]*") if path.suffix.lower() in VIDEO_SUFFIXES)
