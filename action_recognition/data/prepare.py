"""`download-data`: bring a data set to data/<name>/ and write its manifest there."""

import shutil
from pathlib import Path

from rich.console import Console

from action_recognition.config import Config, DataConfig
from action_recognition.data.load import load_manifest
from action_recognition.data.sources.demo_render import render_demo_set
from action_recognition.data.sources.hmdb51 import class_folders, list_videos
from action_recognition.errors import DataError
from action_recognition.progress import progress_bar


def download_data(config: Config, *, console: Console) -> None:
    """Make `data.videos_dir` and `data.splits_dir` exist, then write `<data.dir>/manifest.csv`.

    Complete data is left alone. Clips are first brought beside their place and then renamed, so an interrupted call
    leaves nothing that looks finished.

    Raises:
        DataError: if there is nothing to take the data from.
    """
    data = config.data
    if Path(data.videos_dir).is_dir():
        console.print(f"{data.videos_dir} is there already")
    elif data.kind == "demo":
        with progress_bar("rendering", console=console) as progress:
            render_demo_set(Path(data.dir), progress=progress)
        console.print(f"rendered the demo set to {data.dir}")
    else:
        _copy_local(data, console)
    manifest = load_manifest(config, console)
    if Path(data.dir).is_dir():
        manifest.write(Path(data.dir) / "manifest.csv")


def _copy_local(data: DataConfig, console: Console) -> None:
    """Copy clips, and the split files where the data set has them, from local folders."""
    if data.archive is None:
        raise DataError(
            f"data.videos_dir={data.videos_dir}: no such directory; give a folder of class folders with "
            "data.archive=FOLDER, or point data.videos_dir at one"
        )
    origin = Path(data.archive)
    count = sum(len(list_videos(folder)) for folder in class_folders(origin))
    if not count:
        raise DataError(f"data.archive={origin}: its class folders hold no videos")
    if data.splits_dir is not None:
        splits = Path(data.splits_archive) if data.splits_archive else None
        if not Path(data.splits_dir).is_dir() and (splits is None or not any(splits.glob("*_test_split1.txt"))):
            raise DataError(
                f"data.splits_archive={splits}: expected the folder of the official split files, *_test_split1.txt"
            )
        if splits is not None:
            _copy_tree(splits, Path(data.splits_dir), "*.txt", console)
    _copy_tree(origin, Path(data.videos_dir), "*/*", console)
    console.print(f"copied {count} clips from {origin} to {data.videos_dir}")


def _copy_tree(origin: Path, destination: Path, pattern: str, console: Console) -> None:
    partial = destination.with_name(f"{destination.name}.partial")
    files = [path for path in sorted(origin.glob(pattern)) if path.is_file()]
    with progress_bar(f"copying {destination.name}", console=console) as progress:
        for done, path in enumerate(files, start=1):
            target = partial / path.relative_to(origin)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
            progress(done, len(files))
    partial.rename(destination)
