"""The same movement filmed at other rates gives the same training and test clips."""

from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from helpers.tiny_models import tiny_contract
from helpers.video_makers import write_at

from action_recognition.config import Config, load_config
from action_recognition.contract import ClipContract
from action_recognition.data.datamodule import make_contract
from action_recognition.data.dataset import ClipDataset, Draw
from action_recognition.datasets.manifest import build_manifest, probed
from action_recognition.datasets.records import ClipRecord, Manifest, parse_records

SECONDS = 1.6
UNEVEN = [0, 33, 67, 100, 167, 200, 233, 250, 267, 283, 300, 367, 400, 500, 533, 567, 600, 633, 667, 700, 767, 800]
TICKS = {
    "15": [round(1000 * n / 15) for n in range(24)],
    "24": [round(1000 * n / 24) for n in range(38)],
    "29.97": [round(1001 * n / 30) for n in range(48)],
    "30": [round(1000 * n / 30) for n in range(48)],
    "60": [round(1000 * n / 60) for n in range(96)],
    "240": [round(1000 * n / 240) for n in range(384)],
    "uneven": UNEVEN + [800 + tick for tick in UNEVEN[1:]],
}
CONTRACT = tiny_contract(fps=30.0, frames=6, stride=3)


def filmed(folder: Path, rate: str) -> ClipRecord:
    """A picture that brightens steadily, 150 levels a second, filmed at a rate."""
    path = write_at(folder / f"{rate}.mp4", TICKS[rate], levels=[round(0.15 * tick) for tick in TICKS[rate]])
    record = ClipRecord(path=path.name, label="run", split="train", source_video=rate, size_bytes=path.stat().st_size)
    found = probed(record, folder)
    assert found.error == ""
    return found


def brightness(folder: Path, record: ClipRecord, contract: ClipContract, *, views: int) -> np.ndarray:
    """`[B, T]`, of the clips that training (`views=0`, 20 draws) or testing sees."""
    dataset = ClipDataset([record], folder, contract, views=views)
    draws = [Draw(0, seed) for seed in range(20)] if views == 0 else [Draw(0, 0)]
    return dataset.__getitems__(draws).clip_BCTHW.numpy().mean(axis=(1, 3, 4))


@pytest.mark.parametrize("rate", TICKS)
@pytest.mark.parametrize("views", [0, 3])
def test_a_clip_lasts_as_long_at_any_rate(tmp_path: Path, rate: str, views: int) -> None:
    record = filmed(tmp_path, rate)
    assert bool(record.frame_ms) == (rate == "uneven")
    found = brightness(tmp_path, record, CONTRACT, views=views)
    # 5 steps of 3/30 s at 150 levels a second; one frame of the slowest film is 10 levels.
    np.testing.assert_allclose(found[:, -1] - found[:, 0], 75, atol=12)
    assert (np.diff(found) > 0).all()


def test_without_a_rate_frames_are_counted(tmp_path: Path) -> None:
    contract = replace(CONTRACT, fps=0.0)
    steps = {rate: np.ptp(brightness(tmp_path, filmed(tmp_path, rate), contract, views=1)) for rate in ("30", "60")}
    assert steps["60"] == pytest.approx(steps["30"] / 2, abs=4)


def test_the_frames_of_a_set_at_the_contracts_rate_are_taken_as_they_are(tmp_path: Path) -> None:
    assert filmed(tmp_path, "30").frames_on_grid(30.0) is None
    assert filmed(tmp_path, "29.97").frames_on_grid(30.0) is None, "a hundredth of a frame off at its end"
    assert filmed(tmp_path, "60").grid_places(30.0) == 48
    assert filmed(tmp_path, "15").grid_places(30.0) == 48


def test_the_contracts_rate_is_that_of_most_training_clips(tiny_config: Config) -> None:
    manifest = build_manifest(tiny_config)
    assert make_contract(tiny_config, manifest).fps == 30.0
    train, rest = manifest.split("train"), [r for r in manifest.records if r.split != "train"]
    mixed = [replace(record, fps=25.0 if number % 3 else 30.0) for number, record in enumerate(train)]
    others = Manifest(manifest.videos_dir, (*mixed, *rest))
    assert make_contract(tiny_config, others).fps == 25.0
    assert make_contract(load_config([*tiny_config.overrides, "clip.fps=12.5"]), others).fps == 12.5


def test_times_survive_the_manifest_and_older_manifests_are_read(tmp_path: Path) -> None:
    record = filmed(tmp_path, "uneven")
    content = Manifest(tmp_path, (record,)).to_csv()
    assert parse_records(content, origin="x") == [record]
    older = Manifest(tmp_path, (replace(record, frame_ms=""),)).to_csv()
    header, row = older.decode().splitlines()
    assert header.endswith(",frame_ms")
    without = f"{header.removesuffix(',frame_ms')}\n{row.removesuffix(',')}\n"
    assert asdict(parse_records(without.encode(), origin="x")[0]) == asdict(replace(record, frame_ms=""))
