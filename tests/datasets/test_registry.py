"""The registry of data sets: what all of them keep to, and one from outside the package, from listing to training."""

import csv
from pathlib import Path
from pkgutil import resolve_name

import pytest
from helpers.support import TINY_MODEL, moving_square, write_video

from action_recognition.config import Config, load_config
from action_recognition.datasets import DATASETS, check_dataset
from action_recognition.datasets.base import Dataset
from action_recognition.datasets.manifest import build_manifest
from action_recognition.datasets.records import ClipRecord, source_groups
from action_recognition.datasets.splits import split_off
from action_recognition.errors import ConfigError


class Gestures(Dataset):
    """Videos that a CSV lists, filmed of several persons: what somebody else's data set may look like."""

    source_noun = "person"

    def list_clips(self, config: Config) -> list[ClipRecord]:
        folder = Path(config.data.videos_dir)
        with (folder / "clips.csv").open(newline="") as file:
            records = [ClipRecord(split="train", **row) for row in csv.DictReader(file)]
        seed = config.data.split_seed
        tested = split_off(records, into="test", fraction=config.data.test_fraction, seed=seed)
        return split_off(tested, into="val", fraction=config.data.val_fraction, seed=seed)


@pytest.fixture
def gestures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The set registered as `data.kind=gestures`, its files, and the words that name it on the command line."""
    monkeypatch.setitem(DATASETS, "gestures", Gestures)
    rows = ["path,label,source_video"]
    for seed in range(20):
        label, person = ("left", "right")[seed % 2], f"P{seed // 4}"
        write_video(tmp_path / f"filmed/{seed}.avi", moving_square(9, direction=2 * (seed % 2) - 1, seed=seed))
        rows.append(f"{seed}.avi,{label},{person}")
    (tmp_path / "filmed/clips.csv").write_text("\n".join(rows) + "\n")
    monkeypatch.chdir(tmp_path)
    places = ["data.videos_dir=filmed", "data.cache.dir=store"]
    return ["data=folder", "data.kind=gestures", "data.name=gestures", *places, *TINY_MODEL]


def test_a_data_set_from_outside_is_listed_and_split(gestures: list[str]) -> None:
    manifest = build_manifest(load_config([*gestures, "data.val_fraction=0.2"]))
    assert manifest.counts() == {"train": 12, "val": 4, "test": 4}
    groups = [source_groups(manifest.split(split)) for split in ("train", "val", "test")]
    assert sum(map(len, groups)) == len(set.union(*groups)) == 10


def test_a_data_set_from_outside_is_checked_cached_and_trained(gestures: list[str], run_cli, tmp_path: Path) -> None:
    outcome = run_cli("check-data", *gestures)
    assert outcome.code == 0, outcome.err
    assert "gestures: nothing that makes training wrong" in outcome.out
    assert "have their person in train" in outcome.out
    assert "10 persons" in (tmp_path / "plots/data_report.md").read_text()
    assert "store: 20 clips built" in run_cli("cache-data", *gestures).out
    steps = ["trainer.max_epochs=1", "trainer.limit_train_batches=2", "trainer.accelerator=cpu", "data.batch_size=4"]
    outcome = run_cli("train", *gestures, *steps, "trainer.precision=32-true", "trainer.memory_format=contiguous")
    assert outcome.code == 0, outcome.err
    assert "holds 16 of 16 clips (raw); nothing is decoded" in outcome.out


@pytest.mark.parametrize("kind", DATASETS)
def test_a_data_set_of_the_package_is_complete(kind: str) -> None:
    option = "data=hmdb51" if kind == "demo" else f"data={kind}"
    dataset = check_dataset(load_config([option, f"data.kind={kind}"]))
    assert callable(resolve_name(dataset.downloader))
    assert not dataset.renderer or callable(resolve_name(dataset.renderer))
    assert type(dataset).__doc__


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["data.kind=hmdb15"], r"data\.kind=hmdb15: expected one of demo, .*did you mean 'hmdb51'"),
        (["clip.std=[1,1]"], r"clip\.std=\[1\.0,1\.0\]: frames of data\.kind=demo have 3 channels, so 3 values each"),
        (["clip.size=300"], r"clip\.short_side=\d+: expected at least clip\.size=300"),
        (["data=stills", "clip.bits=16"], r"clip\.bits=16: expected one of 8"),
        (["data=depth", "clip.bits=12"], r"clip\.bits=12: expected one of 8, 16"),
        (["data=depth", "clip.mean=[1,2,3]"], "have one channel, so one value each"),
        (["data=folder", "data.synthetic=true"], r"nothing renders data\.kind=folder; use data=demo, "),
    ],
)
def test_a_configuration_that_does_not_suit_the_data_set_is_one_line(words: list[str], said: str) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        check_dataset(load_config(words))
    assert "\n" not in str(caught.value)
