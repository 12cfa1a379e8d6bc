"""`download-data` for data sets of images, which come from a copy that the user has."""

import shutil
from pathlib import Path

from rich.console import Console

from action_recognition.config import DataConfig
from action_recognition.datasets import dataset_of
from action_recognition.datasets.images import ImageDataset
from action_recognition.download.dataset_download import DOWNLOADS_DIR, holds_something
from action_recognition.download.mirrors import from_archive, is_url
from action_recognition.errors import DataError
from action_recognition.utils.folders import move_folder
from action_recognition.video.clip_files import is_image


def download_images(data: DataConfig, console: Console) -> None:
    """Fill `data.videos_dir` from `data.archive`, if it is empty.

    Raises:
        DataError: if there is no archive on this machine, or it holds something else.
    """
    dataset, images_dir = dataset_of(data), Path(data.videos_dir)
    assert isinstance(dataset, ImageDataset)
    if holds_something(images_dir):
        console.print(f"{images_dir} already exists", highlight=False, markup=False)
        return
    if data.archive is None:
        raise DataError(f"data.videos_dir={images_dir}: no such directory; {dataset.where_to_get}")
    if is_url(data.archive):
        line = f"data.archive={data.archive}: expected a file or folder on this machine"
        raise DataError(f"{line}; {dataset.where_to_get}")
    work = DOWNLOADS_DIR / data.name
    files = from_archive(data.archive, work, console)
    images = [path for path in files.rglob("*") if is_image(path) and path.is_file()]
    if not images:
        raise DataError(f"data.archive={data.archive}: no images in it")
    move_folder(dataset.folder_in_archive(data, files, images), images_dir)
    shutil.rmtree(work, ignore_errors=True)
    console.print(f"{images_dir}: from {data.archive}", highlight=False, markup=False)
