"""Building the manifest in front of the user: progress, what was found, what cannot be used."""

from rich.console import Console

from action_recognition.config import Config
from action_recognition.contract import ClipContract
from action_recognition.data.manifest import SPLITS, Manifest, build_manifest
from action_recognition.data.shards.shard_set import read_shard_manifest
from action_recognition.progress import progress_bar


def load_manifest(config: Config, console: Console) -> Manifest:
    """The manifest of videos or shards; behind a progress bar, with a line that says what was found."""
    if config.data.kind == "shards":
        manifest: Manifest = read_shard_manifest(config.data)
    else:
        with progress_bar("reading videos", console=console) as progress:
            manifest = build_manifest(config.data, progress=progress)
    counts = manifest.counts()
    found = ", ".join(f"{counts[name]} {name}" for name in SPLITS if counts[name])
    console.print(
        f"{config.data.name}: {found}; {len(manifest.class_names)} classes, data hash {manifest.data_hash}",
        highlight=False,
    )
    return manifest


def report_unusable(manifest: Manifest, contract: ClipContract, console: Console) -> None:
    for record in manifest.unusable(min_frames=contract.min_frames):
        console.print(f"skipped: {record.error}", style="yellow", highlight=False, markup=False, soft_wrap=True)
