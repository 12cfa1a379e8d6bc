"""Data sets of image files: stills and depth sequences."""

from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from action_recognition.config import DataConfig
from action_recognition.datasets.base import Dataset
from action_recognition.datasets.records import Manifest
from action_recognition.errors import DataError
from action_recognition.utils.text import first_names
from action_recognition.video.clip_files import clip_files


class ImageDataset(Dataset):
    """Image files, of which `data.test_fraction` and `data.val_fraction` are cut off for test and validation."""

    is_video = False
    downloader = "action_recognition.download.image_sets:download_images"
    where_to_get: ClassVar[str] = "give data.archive=FILE|FOLDER, or point data.videos_dir at the images"

    @abstractmethod
    def folder_in_archive(self, data: DataConfig, files: Path, images: Sequence[Path]) -> Path:
        """The folder of the unpacked archive `files` that becomes `data.videos_dir`; `images` are all images in it.

        Raises:
            DataError: if the archive holds something else.
        """

    def file_remarks(self, manifest: Manifest) -> list[str]:
        root = manifest.videos_dir
        used = {file for record in manifest.records for file in clip_files(root / record.path)}
        stray = sorted(p for p in root.rglob("[!.]*") if p.is_file() and p not in used)
        names = first_names(path.relative_to(root).as_posix() for path in stray)
        return [f"ignored because they are in no clip ({len(stray)} files): {names}"] if stray else []


def existing_folder(data: DataConfig) -> Path:
    """`data.videos_dir`; raises `DataError` if there is no such directory."""
    path = Path(data.videos_dir)
    if not path.is_dir():
        bring = f"python commands.py download-data data={data.name} brings it"
        raise DataError(f"data.videos_dir={path}: no such directory; {bring}")
    return path
