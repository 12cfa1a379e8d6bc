"""`download-data` for data sets of images: synthetic ones are rendered, real ones come from the user's own copy."""

import os
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from action_recognition.config import DataConfig
from action_recognition.datasets.stills import read_labels
from action_recognition.download.mirrors import from_archive, is_url
from action_recognition.errors import DataError
from action_recognition.synthetic.depth import render_depth_set
from action_recognition.synthetic.stills import render_stills_set
from action_recognition.utils.files import replace_file
from action_recognition.utils.folders import move_folder
from action_recognition.utils.progress import progress_bar
from action_recognition.video.clip_files import is_image

RENDERERS: dict[str, Callable[..., None]] = {"stills": render_stills_set, "depth": render_depth_set}
WHERE = {
    "stills": "Kaggle's set needs a login: "
    "https://www.kaggle.com/datasets/meetnagadia/human-action-recognition-har-dataset; "
    "then data.archive=FILE|FOLDER, or data.videos_dir=FOLDER data.labels_csv=FILE",
    "depth": "no public copy is known; give data.archive=FILE|FOLDER, or point data.videos_dir at the frames",
}


def get_image_set(data: DataConfig, console: Console, *, work: Path) -> None:
    """Make `data.videos_dir` (and `data.labels_csv`) exist; existing ones are left alone.

    Args:
        work: where an archive is unpacked.

    Raises:
        DataError: if there is no archive to take it from, or the archive holds something else.
    """
    images_dir = Path(data.videos_dir)
    if images_dir.is_dir() and any(images_dir.iterdir()):
        console.print(f"{images_dir} already exists", highlight=False, markup=False)
    elif data.synthetic:
        with progress_bar("rendering", console=console) as progress:
            RENDERERS[data.kind](Path(data.dir), progress=progress)
        console.print(f"rendered the synthetic set to {data.dir}", highlight=False, markup=False)
    elif data.archive is None:
        like = f"; {data.kind}_demo is a set that needs no download"
        raise DataError(f"data.videos_dir={images_dir}: no such directory; {WHERE[data.kind]}{like}")
    elif is_url(data.archive):
        raise DataError(f"data.archive={data.archive}: expected a file or folder on this machine; {WHERE[data.kind]}")
    else:
        _take(data, from_archive(Path(data.archive).expanduser(), work, console), images_dir)
        shutil.rmtree(work, ignore_errors=True)
        console.print(f"{images_dir}: from {data.archive}", highlight=False, markup=False)


def _take(data: DataConfig, files: Path, images_dir: Path) -> None:
    images = [path for path in files.rglob("*") if is_image(path) and path.is_file()]
    if not images:
        raise DataError(f"data.archive={data.archive}: no images in it")
    if data.kind == "stills":
        folder = _take_labels(data, files, images)
    else:
        folder = Path(os.path.commonpath([path.parent for path in images]))
    move_folder(folder, images_dir)


def _take_labels(data: DataConfig, files: Path, images: list[Path]) -> Path:
    """Put the CSV into place, and find the folder with the images that it names: Kaggle's test images have no labels
    and some of the same names, so it is the one with the most."""
    if data.labels_csv is None:
        raise DataError(f"data={data.name}: data.labels_csv is not set; it names the CSV of filename and label")
    target = Path(data.labels_csv)
    found = sorted(files.rglob(target.name))
    if len(found) != 1:
        raise DataError(f"data.archive={data.archive}: {len(found)} files {target.name} in it, expected one")
    labels = read_labels(found[0])
    known = Counter(path.parent for path in images if path.name in labels)
    if not known:
        raise DataError(f"data.archive={data.archive}: none of the images that {target.name} names is in it")
    if not target.exists():
        replace_file(target, found[0].read_bytes())
    return known.most_common(1)[0][0]
