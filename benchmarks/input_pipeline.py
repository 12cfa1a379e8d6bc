"""Clips a second from disk to a collated uint8 batch, in one process: decoding, PyTorchVideo's path, clip stores.

    python benchmarks/input_pipeline.py [VIDEOS] [--clips 60]

VIDEOS is a folder of class folders. Every way of reading makes the training batches of one epoch: the same clips, the
same first frames, T, stride and size. The limit is a plain copy of as many bytes from memory to memory. All of them
take turns, `--rounds` times; the best epoch of each counts, so that whatever else the machine does decides little.
OpenCV and torch have one thread, as in a worker of the loader.
"""

import argparse
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from pytorchvideo_path import read_clip
from report import ROOT, report
from rich.console import Console

from action_recognition.config import Config, load_config
from action_recognition.data.datamodule import ClipDataModule, make_contract, one_thread
from action_recognition.data.dataset import ClipBatch
from action_recognition.data.load import load_manifest
from action_recognition.datasets.records import Manifest
from action_recognition.readers.store.build import build_store, distinct
from action_recognition.readers.store.entry import StoreFormat
from action_recognition.readers.store.reader import ClipStore

Epoch = Callable[[int], Iterator[object]]
NAMES = {
    "decode": "decode each epoch (OpenCV)",
    "peer": "PyTorchVideo's path (PyAV)",
    "jpeg": "clip store, jpeg",
    "raw_first": "clip store, raw, first epoch",
    "raw_first_unchecked": "the same, checksums not compared",
    "raw": "clip store, raw",
    "copy": "memory copy of the same bytes",
}
# The quick ones have more turns in a round: an epoch of them is too short to be undisturbed for sure.
TURNS = {"decode": 1, "peer": 1, "jpeg": 2, "raw_first": 2, "raw_first_unchecked": 2, "raw": 20, "copy": 20}


def main() -> None:
    arguments = parse_arguments()
    console = Console(width=None if Console().is_terminal else 120)
    config = make_config(arguments)
    manifest = pick_clips(load_manifest(config, console), arguments.clips)
    clips = len(manifest.records)
    console.print(f"{clips} clips, {arguments.rounds} rounds", highlight=False)

    one_thread()
    (ROOT / ".cache").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=ROOT / ".cache", prefix="input-pipeline-") as folder:
        built = {codec: build(manifest, config, Path(folder) / codec, codec) for codec in ("raw", "jpeg")}
        plain = datamodule(manifest, config, None)
        stored = {codec: datamodule(manifest, config, Path(folder) / codec) for codec in built}
        epochs: dict[str, Epoch] = {
            "decode": loader_epoch(plain),
            "peer": lambda epoch: peer_epoch(plain, epoch),
            "jpeg": loader_epoch(stored["jpeg"]),
            "raw": loader_epoch(stored["raw"]),
        }
        for check in (True, False):
            name = "raw_first" if check else "raw_first_unchecked"
            epochs[name] = first_epoch(manifest, config, Path(folder) / "raw", check=check)
        seconds: dict[str, list[float]] = {}
        difference = check_equal(epochs)
        epochs["copy"] = copy_epoch(epochs["raw"], clips, arguments.batch_size)
        for number in range(arguments.rounds):
            for name, turns in TURNS.items():
                seconds.setdefault(name, []).extend(timed(epochs[name], number) for _ in range(turns))

    best = {name: clips / min(values) for name, values in seconds.items()}
    videos_bytes = sum(record.size_bytes for record in manifest.records)
    disk = {"decode": (videos_bytes, 0.0), "peer": (videos_bytes, 0.0), **built}
    figures = {
        "raw_over_decode": best["raw"] / best["decode"],
        "raw_over_copy": best["raw"] / best["copy"],
        "raw_first_over_unchecked": best["raw_first"] / best["raw_first_unchecked"],
        "jpeg_over_decode": best["jpeg"] / best["decode"],
        "raw_over_peer": best["raw"] / best["peer"],
        **{f"{name}_clips_per_second": value for name, value in best.items()},
        **{f"{name}_bytes": float(disk[name][0]) for name in ("decode", "raw", "jpeg")},
        **{f"{name}_build_seconds": disk[name][1] for name in ("raw", "jpeg")},
        "jpeg_mean_absolute_difference": difference,
    }
    report(
        __file__,
        title=f"{clips} clips, {arguments.frames} frames at stride {arguments.stride}, {arguments.short_side} pixels",
        columns=("way", "clips/s", "times decoding", "share of the copy", "MB on disk", "seconds to build"),
        rows=[row(name, best, disk) for name in NAMES],
        figures=figures,
        settings=vars(arguments) | {"videos": Path(arguments.videos).name, "clips": clips},
        console=console,
    )


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("videos", nargs="?", default=str(ROOT.parent / "shared/hmdb51_sample/videos"))
    parser.add_argument("--clips", type=int, default=0, help="only so many, spread over the classes; 0: all")
    parser.add_argument("--frames", type=int, default=16)
    parser.add_argument("--stride", type=int, default=2)
    parser.add_argument("--short-side", type=int, default=128)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=5)
    return parser.parse_args()


def make_config(arguments: argparse.Namespace) -> Config:
    return load_config(
        [
            "data=folder",
            f"data.videos_dir='{arguments.videos}'",
            "data.test_fraction=0",
            "data.val_fraction=0",
            f"clip.frames={arguments.frames}",
            f"clip.stride={arguments.stride}",
            f"clip.short_side={arguments.short_side}",
            f"clip.size={arguments.short_side}",
            f"data.batch_size={arguments.batch_size}",
            "data.num_workers=0",
            # The peer has no such thing.
            "augment.temporal_jitter=false",
        ]
    )


def pick_clips(manifest: Manifest, count: int) -> Manifest:
    """Clips of the training split that can be used, `count` of them at even distances."""
    records = manifest.split("train", min_frames=2)
    places = np.linspace(0, len(records) - 1, min(count or len(records), len(records))).astype(int)
    return Manifest(manifest.videos_dir, tuple(records[place] for place in places))


def build(manifest: Manifest, config: Config, root: Path, codec: str) -> tuple[int, float]:
    """Bytes on disk, and the seconds that it took."""
    began = time.perf_counter()
    entry_format = StoreFormat(codec=codec, short_side=config.clip.short_side, quality=config.data.cache.quality)
    build_store(distinct(manifest.records), manifest.videos_dir, root, entry_format)
    seconds = time.perf_counter() - began
    return sum(path.stat().st_size for path in root.rglob("*") if path.is_file()), seconds


def datamodule(manifest: Manifest, config: Config, root: Path | None) -> ClipDataModule:
    cache = replace(config.data.cache, dir=str(root) if root else None)
    own = replace(config, data=replace(config.data, cache=cache))
    return ClipDataModule(own, manifest, make_contract(own, manifest), seed=0)


def loader_epoch(module: ClipDataModule) -> Epoch:
    loader = module.train_dataloader()
    if loader.drop_last:
        raise SystemExit("one clip would be left over for the last batch: choose another --batch-size or --clips")

    def epoch(number: int) -> Iterator[ClipBatch]:
        loader.sampler.set_epoch(number)  # type: ignore[attr-defined]
        return iter(loader)

    return epoch


def first_epoch(manifest: Manifest, config: Config, root: Path, *, check: bool) -> Epoch:
    """An epoch whose clips are all opened for the first time, as by a new process; the files are in the page cache."""

    def epoch(number: int) -> Iterator[ClipBatch]:
        module = datamodule(manifest, config, root)
        assert isinstance(module.reader, ClipStore)
        module.reader.check = check
        batches: Iterator[ClipBatch] = loader_epoch(module)(number)  # type: ignore[assignment]
        return batches

    return epoch


def peer_epoch(module: ClipDataModule, number: int) -> Iterator[torch.Tensor]:
    """The same clips from the same frames on, read as PyTorchVideo does."""
    loader = module.train_dataloader()
    dataset, contract = loader.dataset, module.contract
    loader.sampler.set_epoch(number)  # type: ignore[attr-defined]
    for draws in loader.batch_sampler or ():
        clips = []
        for index, seed in draws:
            record = dataset.records[index]  # type: ignore[attr-defined]
            start = int(dataset.indices(record.frames, seed)[0, 0])  # type: ignore[attr-defined]
            clips.append(
                read_clip(
                    module.manifest.videos_dir / record.path,
                    start=start,
                    span=contract.span,
                    fps=record.fps,
                    frames=contract.frames,
                    size=contract.short_side,
                )
            )
        yield torch.stack(clips)


def copy_epoch(raw: Epoch, clips: int, batch_size: int) -> Epoch:
    """Copies of real batches, 1 GB of them at most, into memory that is there already."""
    sources: list[np.ndarray] = []
    for batch in raw(0):
        assert isinstance(batch, ClipBatch)
        sources.append(batch.clip_BCTHW.permute(0, 2, 3, 4, 1).numpy().copy())
        if sum(source.nbytes for source in sources) > 1e9:
            break
    sizes = [min(batch_size, clips - first) for first in range(0, clips, batch_size)]
    target = np.zeros_like(sources[0])

    def epoch(_number: int) -> Iterator[None]:
        for place, size in enumerate(sizes):
            np.copyto(target[:size], sources[place % len(sources)][:size])
            yield

    return epoch


def check_equal(epochs: dict[str, Epoch]) -> float:
    """Raw batches hold the very bytes that decoding gives. Returns the mean difference of JPEG's from them, of 255."""
    decoded, raw, jpeg = (next(iter(epochs[name](0))) for name in ("decode", "raw", "jpeg"))
    assert isinstance(decoded, ClipBatch)
    assert isinstance(raw, ClipBatch)
    assert isinstance(jpeg, ClipBatch)
    if not torch.equal(decoded.clip_BCTHW, raw.clip_BCTHW):
        raise SystemExit("the raw store gives other frames than decoding")
    return float((decoded.clip_BCTHW.float() - jpeg.clip_BCTHW.float()).abs().mean())


def timed(epoch: Epoch, number: int) -> float:
    began = time.perf_counter()
    # A batch is let go before the next is made, as by a loop that has handed it to the model's device.
    deque(epoch(number), maxlen=0)
    return time.perf_counter() - began


def row(name: str, best: dict[str, float], disk: dict[str, tuple[int, float]]) -> tuple[str, ...]:
    size_bytes, seconds = disk.get(name, (0, 0.0))
    return (
        NAMES[name],
        f"{best[name]:,.0f}",
        f"{best[name] / best['decode']:.1f}",
        f"{best[name] / best['copy']:.2f}",
        f"{size_bytes / 1e6:,.1f}" if size_bytes else "",
        f"{seconds:.1f}" if seconds else "",
    )


if __name__ == "__main__":
    main()
