"""`export-shards`: from videos or the clip store to a folder of shards."""

import shlex
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from action_recognition.cli.command import Call, command
from action_recognition.errors import ConfigError

if TYPE_CHECKING:
    from rich.console import Console

    from action_recognition.config import Config


@command(groups=("data", "clip"), reads_videos=True, needs_data=True)
def run(call: Call) -> None:
    """Write the clips as WebDataset tars to data.shards.dir, for object storage; train data=shards reads them.

    data.shards.max_megabytes limits a tar. Upload the folder as it is, then: data=shards data.shards.url=URL
    """
    export_shards(call.config, console=call.console)
    url = shlex.quote(f"data.shards.url={call.config.data.shards.dir}")
    call.print_next({f"train data=shards {url}": ("plots_dir", "augment", "model", "optimizer", "trainer")})


def export_shards(config: "Config", *, console: "Console") -> None:
    """Write the training, validation and test clips to `data.shards.dir`.

    Raises:
        ConfigError: for a data set of images.
        DataError: if the folder holds something else, or is being written by another process.
        VideoError: if a clip cannot be decoded.
    """
    from action_recognition.data.datamodule import make_contract
    from action_recognition.data.load import load_manifest, report_unusable
    from action_recognition.datasets import dataset_of
    from action_recognition.readers.base import DecodingReader
    from action_recognition.readers.open import report_reader
    from action_recognition.readers.shards.index import SHARD_SPLITS
    from action_recognition.readers.shards.jpeg_frames import read_jpegs
    from action_recognition.readers.shards.write import write_shards
    from action_recognition.readers.store.reader import open_store
    from action_recognition.utils.progress import progress_bar

    data = config.data
    if not dataset_of(data).is_video:
        raise ConfigError(f"data={data.name}: shards hold videos; images are copied and trained on as they are")
    directory = Path(data.shards.dir)
    manifest = load_manifest(config, console)
    contract = make_contract(config, manifest)
    report_unusable(manifest, contract, console)
    short_side, quality = config.clip.short_side, data.shards.jpeg_quality
    store = open_store(data, short_side=short_side)
    report_reader(store or DecodingReader(), [r for split in SHARD_SPLITS for r in manifest.split(split)], console)
    with progress_bar("exporting", console=console) as progress:
        index = write_shards(
            manifest,
            contract,
            directory,
            name=data.name,
            jpeg_quality=quality,
            max_bytes=int(data.shards.max_megabytes * 1e6),
            read_jpegs=partial(
                read_jpegs, store=store, videos_dir=Path(manifest.videos_dir), short_side=short_side, quality=quality
            ),
            progress=progress,
        )
    counts = ", ".join(f"{sum(s.clips for s in index.shards if s.split == split)} {split}" for split in SHARD_SPLITS)
    size_bytes = sum(shard.bytes for shard in index.shards)
    console.print(f"{directory}: {counts} clips in {len(index.shards)} shards, {size_bytes / 1e6:.1f} MB")
