"""`evaluate-splits` against trainings and tests by hand, its table against the standard library, and going on."""

import csv
import json
import os
import shutil
import statistics
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from mlflow import MlflowClient
from rich.console import Console

from action_recognition.config import load_config
from action_recognition.errors import ConfigError, DataError
from action_recognition.evaluation.metrics import METRICS
from action_recognition.studies.evaluate_splits import evaluate_splits
from action_recognition.studies.split_report import SplitStudy

STUDY = Path("plots/splits/hmdb51-cnn3d")


@pytest.fixture
def splits_dir(tiny_set: Path, tmp_path: Path) -> Path:
    """Three official splits of the tiny set: of its six source videos, another two are tested in each."""
    folder = tmp_path / "official"
    folder.mkdir()
    for path in (tiny_set / "splits").glob("*.txt"):
        first = 2 * int(path.stem[-1]) - 2
        names = [line.split()[0] for line in path.read_text().splitlines()]
        codes = [2 if int(name.split("_")[1]) in (first, first + 1) else 1 for name in names]
        lines = [f"{name} {code} " for name, code in zip(names, codes, strict=True)]
        (folder / path.name).write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture
def overrides(
    tiny_overrides: list[str], splits_dir: Path, tmp_path: Path, empty_store: Path, monkeypatch: pytest.MonkeyPatch
) -> list[str]:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "plots").mkdir()
    shutil.copy(empty_store, tmp_path / "plots/mlflow.db")
    places = ("data.splits_dir", "plots_dir", "trainer.max_epochs")
    kept = [word for word in tiny_overrides if not word.startswith(places)]
    return [*kept, f"data.splits_dir={splits_dir}", "trainer.max_epochs=1"]


def evaluated(overrides: Sequence[str], console: Console, *, mlflow: bool = False) -> SplitStudy:
    return evaluate_splits(load_config(overrides), console=console, mlflow=mlflow)


def test_scores_are_those_of_training_and_testing_by_hand(
    overrides: list[str], console: Console, run_cli: Callable, tmp_path: Path
) -> None:
    study = evaluated([*overrides, "splits.numbers=[1,3]"], console, mlflow=True)
    assert [split.number for split in study.splits] == [1, 3]
    assert run_cli("train", *overrides, "data.split=3", "plots_dir=hand").code == 0
    assert run_cli("infer", "plots_dir=hand", "data.num_workers=0", "evaluation.bootstrap=50").code == 0
    assert study.splits[1].metrics == json.loads((tmp_path / "hand/metrics.json").read_text())

    by_split = [split.metrics for split in study.splits]
    for name in METRICS:
        found = [metrics[name] for metrics in by_split]
        assert study.mean[name] == pytest.approx(statistics.mean(found), rel=1e-12)
        assert study.deviation[name] == pytest.approx(statistics.stdev(found), rel=1e-12)
    written = json.loads((STUDY / "split_scores.json").read_text())
    assert written["mean"] == study.mean
    rows = {row["split"]: row for row in csv.DictReader((STUDY / "split_scores.csv").open())}
    assert list(rows) == ["1", "3", "mean", "standard deviation"]
    assert float(rows["standard deviation"]["top1"]) == study.deviation["top1"]
    assert float(rows["3"]["top1_low"]) == by_split[1]["top1_low"]
    assert "not a confidence interval" in (STUDY / "split_scores.md").read_text()
    assert "50 % of a split&#39;s training clips are also in another" in (STUDY / "split_scores.html").read_text()
    check_mlflow(tmp_path, study)

    # Done is done; another setting is another study.
    before = {path: path.stat().st_mtime_ns for path in STUDY.rglob("*.ckpt")}
    again = evaluated([*overrides, "splits.numbers=[1,3]"], console)
    assert again.mean == study.mean
    assert {path: path.stat().st_mtime_ns for path in STUDY.rglob("*.ckpt")} == before
    with pytest.raises(ConfigError, match=r"^splits.name=hmdb51-cnn3d: was begun with optimizer.lr=0.002, not 0.1; "):
        evaluated([*overrides, "optimizer.lr=0.1"], console)


def check_mlflow(folder: Path, study: SplitStudy) -> None:
    """A parent with mean and spread, and below it a training and a test of each split."""
    client = MlflowClient(f"sqlite:///{folder}/plots/mlflow.db")
    runs = client.search_runs([client.get_experiment_by_name("hmdb51").experiment_id])
    (parent,) = [run for run in runs if "mlflow.parentRunId" not in run.data.tags]
    below = {run.info.run_name: run for run in runs if run.data.tags.get("mlflow.parentRunId") == parent.info.run_id}
    names = [f"hmdb51-cnn3d-split-{number}{what}" for number in (1, 3) for what in ("", "-test")]
    assert sorted(below) == names
    assert parent.data.metrics["test_top1_mean"] == study.mean["top1"]
    assert parent.data.metrics["test_top1_std"] == study.deviation["top1"]
    assert below["hmdb51-cnn3d-split-3-test"].data.metrics["test_top1"] == study.splits[1].metrics["top1"]
    assert below["hmdb51-cnn3d-split-3"].data.params["data.split"] == "3"
    assert {run.info.status for run in runs} == {"FINISHED"}
    assert "split_scores.csv" in {file.path for file in client.list_artifacts(parent.info.run_id)}


def test_an_interrupted_study_goes_on(overrides: list[str], console: Console) -> None:
    one = ["splits.numbers=[2]", *overrides]
    first = evaluated(one, console)
    assert first.deviation == {}
    run = STUDY / "split-2"
    best = (run / "checkpoints/best.ckpt").read_bytes()
    history = (run / "history.csv").read_text()
    # Killed after the last epoch, before anything was noted; then before the scores were.
    for name in ("trained.json", "scores.json"):
        (run / name).unlink()
        again = evaluated(one, console)
        assert (run / "checkpoints/best.ckpt").read_bytes() == best
        assert (run / "history.csv").read_text() == history
        assert again.mean == first.mean
    # A checkpoint that was changed, such as by a calibration, is tested again.
    (run / "scores.json").write_text(json.dumps({"metrics": {}, "summary": "old"}))
    os.utime(run / "scores.json", ns=(0, 0))
    assert evaluated(one, console).mean == first.mean
    trained = json.loads((run / "trained.json").read_text())
    (run / "trained.json").write_text(json.dumps(trained | {"data_hash": "0" * 16}))
    with pytest.raises(DataError, match="trained on other data"):
        evaluated(one, console)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["data.split=2"], "data.split: evaluate-splits sets it"),
        (["trainer.run_dir=x"], "trainer.run_dir: evaluate-splits sets it"),
        (["evaluation.split=val"], "tests the best checkpoint of each split"),
    ],
)
def test_what_the_study_sets_itself_is_refused(
    overrides: list[str], console: Console, words: list[str], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        evaluated([*overrides, *words], console)
    assert not STUDY.exists()


def test_data_without_lists_is_refused(overrides: list[str], splits_dir: Path, console: Console) -> None:
    for path in splits_dir.glob("*_test_split3.txt"):
        path.unlink()
    with pytest.raises(DataError, match=r"no \*_test_split3.txt there; .*; or leave it out: splits.numbers=\[1,2\]"):
        evaluated(overrides, console)
    config = load_config([*overrides, "data=folder", "data.dir=x"][1:])
    with pytest.raises(DataError, match=r"has no official splits, .*data\.split_seed"):
        evaluate_splits(replace(config, overrides=[]), console=console)
    assert not Path("plots/splits").exists()


@pytest.mark.parametrize(
    ("code", "message"),
    [(1, r"split 3 has no test clips in .*splits.numbers=\[1,2\]"), (2, "no usable training clip .* under split 3")],
)
def test_a_split_without_clips_is_refused_before_any_training(
    overrides: list[str], splits_dir: Path, console: Console, code: int, message: str
) -> None:
    for path in splits_dir.glob("*_test_split3.txt"):
        names = [line.split()[0] for line in path.read_text().splitlines()]
        path.write_text("".join(f"{name} {code} \n" for name in names))
    with pytest.raises(DataError, match=message):
        evaluated(overrides, console)
    assert not Path("plots/splits").exists()
