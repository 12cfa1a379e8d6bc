"""`download-data`: keeps existing data, downloads missing data, and writes a manifest of it."""

from pathlib import Path
from pkgutil import resolve_name
from typing import TYPE_CHECKING

from action_recognition.cli.command import Call, command
from action_recognition.cli.next_commands import DATA, TRACKING, TRAINING

if TYPE_CHECKING:
    from rich.console import Console

    from action_recognition.config import Config


@command(groups=("data",), reads_videos=True)
def run(call: Call) -> None:
    """Get a data set into data/<name>/ with a manifest (data=demo renders the synthetic one).

    data=hmdb51 and data=ucf101 download the clips and the official splits from the mirrors in conf/data/, continue
    where an earlier run stopped, and check the result. data.archive=FILE|FOLDER|URL takes the clips from a RAR, ZIP,
    7z or TAR, a folder of class folders, or a folder of archives instead; data.splits_archive= does so for the splits.
    """
    download_data(call.config, console=call.console)
    call.print_next({"train-ml-flow-dvc": (*TRAINING, *TRACKING), "check-data": DATA})


def download_data(config: "Config", *, console: "Console") -> None:
    """Make `data.videos_dir` and `data.splits_dir` exist and be right, then write `<data.dir>/manifest.csv`.

    Everything is downloaded and checked beside its place and then renamed: an interrupted call leaves nothing that
    looks finished, and the next one continues. For complete data there are no network requests.

    Raises:
        DataError: if no mirror or archive has the data set, or another process is downloading it.
    """
    from action_recognition.data.load import load_manifest
    from action_recognition.datasets import check_dataset
    from action_recognition.datasets.records import read_records
    from action_recognition.download.dataset_download import DOWNLOADS_DIR
    from action_recognition.utils.locks import locked

    data, dataset = config.data, check_dataset(config)
    with locked(DOWNLOADS_DIR / f"{data.name}.lock", work=f"download-data data={data.name}"):
        if data.synthetic:
            _render(Path(data.dir), Path(data.videos_dir), dataset.renderer, console)
        else:
            resolve_name(dataset.downloader)(data, console)
        manifest, path = load_manifest(config, console), Path(data.dir, "manifest.csv")
        for left in path.parent.glob(".manifest.partial-*"):  # left by a run that was killed
            left.unlink(missing_ok=True)
        if path.parent.is_dir() and not (path.exists() and tuple(read_records(path)) == manifest.records):
            manifest.write(path)


def _render(folder: Path, videos_dir: Path, renderer: str, console: "Console") -> None:
    from action_recognition.utils.progress import progress_bar

    line = f"{videos_dir} already exists"
    if not videos_dir.is_dir():
        with progress_bar("rendering", console=console) as progress:
            resolve_name(renderer)(folder, progress=progress)
        line = f"rendered the synthetic set to {folder}"
    console.print(line, markup=False, highlight=False)
