"""Building the manifest in front of the user: progress, what was found, what cannot be used."""

from rich.console import Console

from action_recognition.config import Config, DataConfig
from action_recognition.contract import ClipContract
from action_recognition.datasets.depth import shared_subjects
from action_recognition.datasets.manifest import IMAGE_SOURCES, build_manifest
from action_recognition.datasets.records import SPLITS, Manifest
from action_recognition.datasets.source_videos import unknown_sources_line
from action_recognition.readers.shards.shard_set import read_shard_manifest
from action_recognition.utils.progress import progress_bar
from action_recognition.utils.text import printable


def load_manifest(config: Config, console: Console) -> Manifest:
    """The manifest of videos or shards; behind a progress bar, with a line that says what was found."""
    if config.data.kind == "shards":
        manifest: Manifest = read_shard_manifest(config.data)
    else:
        what = "images" if config.data.kind in IMAGE_SOURCES else "videos"
        with progress_bar(f"reading {what}", console=console) as progress:
            manifest = build_manifest(config, progress=progress)
    counts = manifest.counts()
    found = ", ".join(f"{counts[name]} {name}" for name in SPLITS if counts[name])
    console.print(
        f"{config.data.name}: {found}; {len(manifest.class_names)} classes, data hash {manifest.data_hash}",
        highlight=False,
    )
    for line in split_remarks(manifest, config.data):
        console.print(line, style="yellow", highlight=False, markup=False, soft_wrap=True)
    return manifest


def split_remarks(manifest: Manifest, data: DataConfig) -> list[str]:
    """What a reader of scores has to know about the split."""
    unknown = unknown_sources_line(manifest.records, data)
    if data.kind != "depth":
        return [printable(unknown)] if unknown and data.kind == "folder" else []
    if unknown:
        return [printable(unknown)]
    train, val, test = ([record.source_video for record in manifest.split(name)] for name in ("train", "val", "test"))
    return shared_subjects(train, {"val": val, "test": test})


def report_unusable(manifest: Manifest, contract: ClipContract, console: Console) -> None:
    for record in manifest.unusable(min_frames=contract.min_frames):
        console.print(
            f"skipped: {printable(record.error)}", style="yellow", highlight=False, markup=False, soft_wrap=True
        )
