"""`download-data`: existing data is left alone, missing data is downloaded, and a manifest of it is written."""

from pathlib import Path
from typing import TYPE_CHECKING

from action_recognition.cli.command import Call, command
from action_recognition.cli.next_commands import DATA, TRACKING, TRAINING

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console

    from action_recognition.config import Config, DataConfig
    from action_recognition.datasets.records import Manifest


@command(groups=("data",), reads_videos=True)
def run(call: Call) -> None:
    """Get a data set into data/<name>/ with a manifest (data=demo makes the synthetic one).

    data=hmdb51 and data=ucf101 download the clips and the official splits from the mirrors in conf/data/, continue
    where an earlier run stopped, and check the result. data.archive=FILE|FOLDER|URL takes the clips from there: a
    RAR, ZIP, 7z or TAR, a folder of class folders, or one with archives in it; data.splits_archive= the splits.
    """
    download_data(call.config, console=call.console)
    call.print_next({"train-ml-flow-dvc": (*TRAINING, *TRACKING), "check-data": DATA})


def download_data(config: "Config", *, console: "Console") -> None:
    """Make `data.videos_dir` and `data.splits_dir` exist and be right, then write `<data.dir>/manifest.csv`.

    Everything is downloaded and checked beside its place and then renamed, so an interrupted call leaves nothing that
    looks finished, and the next one continues. For complete data it makes no network requests.

    Raises:
        DataError: if there is nothing to take the data from, what came is not the data set, or it is already running.
    """
    from action_recognition.data.load import load_manifest
    from action_recognition.datasets import check_dataset
    from action_recognition.download.dataset_download import DOWNLOADS_DIR
    from action_recognition.utils.imports import load_object
    from action_recognition.utils.locks import locked

    data, dataset = config.data, check_dataset(config)
    with locked(DOWNLOADS_DIR / f"{data.name}.lock", work=f"download-data data={data.name}"):
        if data.synthetic:
            _render(data, load_object(dataset.renderer), console)
        else:
            load_object(dataset.downloader)(data, console)
        _write_if_changed(load_manifest(config, console), Path(data.dir))


def _render(data: "DataConfig", render: "Callable[..., None]", console: "Console") -> None:
    from action_recognition.utils.progress import progress_bar

    if Path(data.videos_dir).is_dir():
        console.print(f"{data.videos_dir} already exists", markup=False, highlight=False)
        return
    with progress_bar("rendering", console=console) as progress:
        render(Path(data.dir), progress=progress)
    console.print(f"rendered the synthetic set to {data.dir}", markup=False, highlight=False)


def _write_if_changed(manifest: "Manifest", folder: Path) -> None:
    from action_recognition.datasets.records import read_records

    path = folder / "manifest.csv"
    for left in folder.glob(".manifest.partial-*"):  # by a run that was killed while it wrote
        left.unlink(missing_ok=True)
    if folder.is_dir() and not (path.exists() and tuple(read_records(path)) == manifest.records):
        manifest.write(path)
