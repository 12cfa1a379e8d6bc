"""`cache-data`: every clip decoded once, into the clip store."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from action_recognition.cli.command import Call, command
from action_recognition.cli.next_commands import TRAINING
from action_recognition.errors import ConfigError

if TYPE_CHECKING:
    from rich.console import Console

    from action_recognition.config import Config


@command(groups=("data", "clip"), reads_videos=True, needs_data=True)
def run(call: Call) -> None:
    """Decode every clip once into the clip store, which training and evaluation then read instead.

    data.cache.codec=raw|jpeg chooses how, data.cache.prune=true removes what is not used any more.
    """
    cache_data(call.config, console=call.console)
    call.print_next({"train": TRAINING})


def cache_data(config: "Config", *, console: "Console") -> None:
    """Decode every clip of the data set once, whatever its split, into `data.cache.dir`.

    Raises:
        ConfigError: if `data.cache.dir` is null.
        DataError: if the store cannot be written.
    """
    from action_recognition.data.load import load_manifest
    from action_recognition.datasets import dataset_of
    from action_recognition.readers.store.build import build_store, choose_format, distinct, unused_files
    from action_recognition.utils.progress import progress_bar

    if not dataset_of(config.data).is_video:
        console.print(f"data={config.data.name}: images are read as they are; nothing to cache")
        return
    settings, short_side = config.data.cache, config.clip.short_side
    if settings.dir is None:
        raise ConfigError("data.cache.dir=null: the store needs a folder, for example data.cache.dir=store/mine")
    root = Path(settings.dir)
    manifest = load_manifest(config, console)
    records = distinct(manifest.records)
    chosen, reason = choose_format(
        records,
        root,
        codec=settings.codec,
        short_side=short_side,
        quality=settings.quality,
        max_bytes=settings.max_gigabytes * 1e9,
    )
    console.print(f"{root}: {len(records)} clips as {reason}")
    began = time.monotonic()
    with progress_bar("decoding", console=console) as progress:
        report = build_store(
            records,
            Path(manifest.videos_dir),
            root,
            chosen,
            progress=progress,
            on_wait=lambda: console.print(f"{root}: another cache-data writes here; waiting for it"),
        )
    for line in report.damaged:
        console.print(f"{line}: decoded anew", style="yellow")
    if report.unchecked:
        console.print(f"{report.unchecked} entries were made before entries had checksums; decoded anew")
    for line in report.failed:
        console.print(f"left out: {line}", style="yellow")
    console.print(
        f"{root}: {report.built} clips built ({report.size_bytes / 1e6:.1f} MB in {time.monotonic() - began:.1f} s), "
        f"{report.reused} reused",
    )
    _report_unused(unused_files(records, root, chosen), prune=settings.prune, console=console)


def _report_unused(paths: Sequence[Path], *, prune: bool, console: "Console") -> None:
    if not paths:
        return
    megabytes = sum(path.stat().st_size for path in paths) / 1e6
    about = f"{len(paths)} entries ({megabytes:.1f} MB) of other videos, sizes or codecs"
    if not prune:
        console.print(f"{about} can go: python commands.py cache-data data.cache.prune=true")
        return
    for path in paths:
        path.unlink(missing_ok=True)
    console.print(f"{about} removed")
