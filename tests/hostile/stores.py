"""Clip stores with damaged, cut, swapped and foreign entries.

Right are the frames that decoding gives, a store that is put right, and the weights that an undamaged store gives.
"""

import os
import shutil
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

from hostile.damage import damaged, flip_bits, overwrite, overwrite_head, truncate
from hostile.material import data_words, training_words
from hostile.outcomes import RIGHT, WRONG, Outcome, judge, judge_call, run_command

CODECS = ("raw", "jpeg")
Change = Callable[[list[Path], Random], str]


def warm_up(material: Path) -> None:
    """Import torch, and read the good store once."""
    work = Path(tempfile.mkdtemp(prefix="warm-up-", dir=material))
    os.chdir(work)
    for codec in CODECS:
        clips_of(material, str(material / codec), codec)
    clips_of(material, "null", "raw")


def attempt(chance: Random, number: int, material: Path, work: Path) -> Outcome:
    codec, how = CODECS[number // len(HOW) % 2], HOW[number % len(HOW)]
    folder, store = work / "in", work / "store"
    folder.mkdir()
    shutil.copytree(material / codec, store, copy_function=shutil.copyfile)
    change = chance.choice(CHANGES)
    what = f"{codec}, {how.__name__}: {change(sorted(store.rglob('*.clip')), chance)}"
    return how(material, folder, store, codec, what)


def read(material: Path, folder: Path, store: Path, codec: str, what: str) -> Outcome:
    """As training reads clips."""
    os.chdir(folder)
    return judge_call(
        lambda: clips_of.__wrapped__(material, str(store), codec),
        what,
        right=lambda found: other_frames(found, material, codec),
    )


def cache_again(material: Path, folder: Path, store: Path, codec: str, what: str) -> Outcome:
    """`cache-data` puts the store right."""
    words = ["cache-data", *data_words(material), f"data.cache.codec={codec}", f"data.cache.dir={store}"]
    said = run_command(words, folder)
    return judge(said, what, right=lambda: other_entries(store, material / codec), must=RIGHT)


def check(material: Path, folder: Path, store: Path, codec: str, what: str) -> Outcome:
    """`check-data` says what is damaged; its other results are the same."""
    words = ["check-data", *data_words(material), f"data.cache.codec={codec}", f"data.cache.dir={store}"]
    said = run_command([*words, "augment.keep_direction=[run,walk]"], folder)
    silent = other_entries(store, material / codec) and "damaged" not in said.out + said.err
    if silent and not said.trace:
        return Outcome(verdict=WRONG, what=what, line="check-data does not name the damaged entry")
    return judge(said, what, right=str)


def train(material: Path, folder: Path, store: Path, codec: str, what: str) -> Outcome:
    """Training with a raw store gives the weights that decoding gives."""
    import torch

    if codec == "jpeg":
        return read(material, folder, store, codec, what)
    words = ["train", *training_words(material), f"trainer.run_dir={folder}/run", "trainer.max_epochs=1"]
    said = run_command([*words, f"data.cache.codec={codec}", f"data.cache.dir={store}"], folder)

    def other_weights() -> str:
        one, other = (
            torch.load(path, weights_only=True)["state_dict"]
            for path in (folder / "run/checkpoints/best.ckpt", material / "model.ckpt")
        )
        return "" if all(torch.equal(one[name], other[name]) for name in other) else "other weights"

    return judge(said, what, right=other_weights)


HOW = (read, read, read, read, read, cache_again, read, read, cache_again, check, read, train)


@cache
def clips_of(material: Path, store: str, codec: str) -> list[Any]:
    """The first clip of each video, as the model's input; from the store where it holds it."""
    from action_recognition.config import load_config
    from action_recognition.data.datamodule import make_contract
    from action_recognition.data.dataset import ClipDataset
    from action_recognition.datasets.manifest import build_manifest
    from action_recognition.errors import DataError
    from action_recognition.readers.open import open_clip_reader

    config = load_config([*data_words(material), f"data.cache.dir={store}", f"data.cache.codec={codec}"])
    manifest = build_manifest(config)
    contract = make_contract(config, manifest)
    reader = open_clip_reader(config, manifest, short_side=contract.short_side)
    dataset = ClipDataset(manifest.records, manifest.videos_dir, contract, views=1, reader=reader)
    batch = dataset.__getitems__(list(range(len(dataset))))
    if batch.errors:
        raise DataError(batch.errors[0])
    return list(batch.clip_BCTHW.clone())


def other_frames(found: list[Any], material: Path, codec: str) -> str:
    """Which clip is neither what the good store holds nor what decoding gives."""
    stored, decoded = clips_of(material, str(material / codec), codec), clips_of(material, "null", "raw")
    if len(found) != len(decoded):
        return f"{len(found)} clips instead of {len(decoded)}"
    for number, clip in enumerate(found):
        if not (clip.equal(stored[number]) or clip.equal(decoded[number])):
            return f"clip {number} has other frames"
    return ""


def other_entries(store: Path, good: Path) -> str:
    """How the entries of two stores differ."""
    one, other = ({p.relative_to(root): p.read_bytes() for p in root.rglob("[!.]*.clip")} for root in (store, good))
    different = [str(name) for name in other if one.get(name) != other[name]]
    return f"{len(different)} entries are not as they were: {different[0]}" if different else ""


def flipped(entries: list[Path], chance: Random) -> str:
    return damaged_entries(entries, chance, lambda content: flip_bits(content, chance))


def flipped_once(entries: list[Path], chance: Random) -> str:
    return damaged_entries(entries, chance, lambda content: flip_bits(content, chance, most=1))


def cut(entries: list[Path], chance: Random) -> str:
    return damaged_entries(entries, chance, lambda content: truncate(content, chance))


def damaged_header(entries: list[Path], chance: Random) -> str:
    """The first 40 bytes: magic, codec, frames, height, width, side, length."""

    def change(content: bytes) -> tuple[bytes, str]:
        head, how = overwrite_head(content[:40], chance)
        return head + content[40:], f"header: {how}"

    return damaged_entries(entries, chance, change)


def damaged_offsets(entries: list[Path], chance: Random) -> str:
    """Where a JPEG entry says where its frames are."""

    def change(content: bytes) -> tuple[bytes, str]:
        piece, how = overwrite(content[2048:2120], chance)
        return content[:2048] + piece + content[2120:], f"offsets: {how}"

    return damaged_entries(entries, chance, change)


def any_damage(entries: list[Path], chance: Random) -> str:
    return damaged_entries(entries, chance, lambda content: damaged(content, chance))


def exchanged(entries: list[Path], chance: Random) -> str:
    one, other = chance.sample(entries, 2)
    first, second = one.read_bytes(), other.read_bytes()
    one.write_bytes(second)
    other.write_bytes(first)
    return f"{one.name} and {other.name} exchanged"


def zeroed(entries: list[Path], chance: Random) -> str:
    """What a power failure leaves: the length is right, the bytes are not there."""
    return damaged_entries(entries, chance, lambda content: (bytes(len(content)), "all zero"))


def zeroed_frames(entries: list[Path], chance: Random) -> str:
    def change(content: bytes) -> tuple[bytes, str]:
        return content[:2048] + bytes(len(content) - 2048), "all zero behind the header"

    return damaged_entries(entries, chance, change)


def empty(entries: list[Path], chance: Random) -> str:
    return damaged_entries(entries, chance, lambda content: (b"", "empty"))


def damaged_entries(entries: list[Path], chance: Random, change: Callable[[bytes], tuple[bytes, str]]) -> str:
    """Damage one, three or all entries; what was done to the last."""
    how = ""
    for path in chance.sample(entries, chance.choice((1, 3, len(entries)))):
        content, how = change(path.read_bytes())
        path.write_bytes(content)
    return how


CHANGES: tuple[Change, ...] = (
    flipped,
    flipped,
    flipped_once,
    cut,
    damaged_header,
    damaged_header,
    damaged_offsets,
    any_damage,
    exchanged,
    zeroed,
    zeroed_frames,
    empty,
)
