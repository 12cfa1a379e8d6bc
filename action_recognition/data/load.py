"""Loading the manifest for a command, with a progress bar and lines about what was found and what was skipped."""

from rich.console import Console

from action_recognition.config import Config
from action_recognition.contract import ClipContract
from action_recognition.datasets import check_dataset
from action_recognition.datasets.manifest import build_manifest
from action_recognition.datasets.records import SPLITS, Manifest
from action_recognition.readers.shards.shard_set import read_shard_manifest
from action_recognition.utils.progress import progress_bar
from action_recognition.utils.text import printable


def load_manifest(config: Config, console: Console) -> Manifest:
    """The manifest of a data set or of shards; prints a progress bar and a line about what was found."""
    dataset = check_dataset(config)
    if dataset.reads_shards:
        manifest: Manifest = read_shard_manifest(config.data)
    else:
        with progress_bar(f"reading {'videos' if dataset.is_video else 'images'}", console=console) as progress:
            manifest = build_manifest(config, progress=progress)
    counts = manifest.counts()
    found = ", ".join(f"{counts[name]} {name}" for name in SPLITS if counts[name])
    classes = f"{len(manifest.class_names)} classes, data hash {manifest.data_hash}"
    console.print(f"{config.data.name}: {found}; {classes}", highlight=False)
    for line in dataset.split_remarks(manifest, config.data):
        _warn(console, line)
    return manifest


def report_unusable(manifest: Manifest, contract: ClipContract, console: Console) -> None:
    for record in manifest.unusable(min_frames=contract.min_frames):
        _warn(console, f"skipped: {printable(record.error)}")


def _warn(console: Console, line: str) -> None:
    console.print(line, style="yellow", highlight=False, markup=False, soft_wrap=True)
