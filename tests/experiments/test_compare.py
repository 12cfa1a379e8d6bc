"""`compare-runs` against runs written with MLflow's client, whose runtimes and scores are known."""

import functools
import re
import shutil
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import cv2
import pytest
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag

from action_recognition.config import flatten, load_config
from action_recognition.errors import ConfigError
from action_recognition.experiments.changes import changes
from action_recognition.experiments.compare import find_runs
from action_recognition.experiments.runtime import runtime_change
from action_recognition.experiments.table import duration, make_row

START = 1_760_000_000_000


@pytest.fixture
def client(tmp_path: Path, empty_store: Path, monkeypatch: pytest.MonkeyPatch) -> MlflowClient:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "plots").mkdir()
    shutil.copy(empty_store, tmp_path / "plots/mlflow.db")
    return MlflowClient(f"sqlite:///{tmp_path}/plots/mlflow.db")


def experiment(client: MlflowClient, name: str) -> str:
    found = client.get_experiment_by_name(name)
    return found.experiment_id if found else client.create_experiment(name)


def add_run(
    client: MlflowClient,
    name: str,
    *overrides: str,
    number: int = 0,
    epochs: int = 10,
    steps: int = 20,
    step_seconds: float = 0.5,
    val_top1: tuple[float, ...] = (0.2, 0.4, 0.3),
    tags: dict[str, str] | None = None,
    facts: dict[str, float] | None = None,
    in_experiment: str = "demo",
    status: str = "FINISHED",
    with_facts: bool = True,
) -> str:
    """A training run as `train-ml-flow` leaves it."""
    start = START + number * 86_400_000
    run = client.create_run(experiment(client, in_experiment), start_time=start, run_name=name)
    seconds = epochs * steps * step_seconds
    logged = {"epochs": epochs, "train_seconds": seconds, "steps_per_epoch": steps, "parameters": 1000}
    metrics = {"train_loss": 1.0, "epoch": epochs - 1}
    if with_facts:
        metrics |= {f"run/{key}": value for key, value in (logged | (facts or {})).items()}
    points = [Metric(key, value, start, 0) for key, value in metrics.items()]
    points += [Metric("val_top1", value, start + step, step) for step, value in enumerate(val_top1)]
    logged_params = [Param(*item) for item in params(*overrides).items()]
    labels = {"command": "train-ml-flow", **({"device": "CPU A"} if with_facts else {}), **(tags or {})}
    client.log_batch(run.info.run_id, metrics=points, tags=[RunTag(*item) for item in labels.items()])
    for first in range(0, len(logged_params), 100):
        client.log_batch(run.info.run_id, params=logged_params[first : first + 100])
    client.set_terminated(run.info.run_id, status, start + int(1000 * (seconds + 7)))
    return str(run.info.run_id)


def add_evaluation(
    client: MlflowClient, top1: float, *, tags: dict[str, str], number: int = 50, split: str = "test", **more: float
) -> None:
    run = client.create_run(experiment(client, "elsewhere"), start_time=START + number * 86_400_000)
    scores = {"top1": top1, "top3": top1 + 0.2, "top1_low": top1 - 0.1, "top1_high": top1 + 0.1, "clips": 90, **more}
    client.log_batch(
        run.info.run_id,
        metrics=[Metric(f"test_{name}", value, START, 0) for name, value in scores.items()],
        params=[Param("evaluation.split", split), Param("evaluation.allow_leakage", "False")],
        tags=[RunTag(*item) for item in {"command": "infer-ml-flow", **tags}.items()],
    )
    client.set_terminated(run.info.run_id)


@functools.cache
def params(*overrides: str) -> dict[str, str]:
    return {key: str(value) for key, value in flatten(load_config(overrides)).items()}


def test_changes_are_readable_with_group_choices_first():
    after = params("optimizer=sgd", "data.augment.mixup_alpha=0.2", "data.size=48", "trainer.freeze=backbone")
    assert [str(change) for change in changes(params(), after)] == [
        "optimizer: adam -> sgd",
        "data.augment.mixup_alpha 0.0 -> 0.2",
        "data.size 56 -> 48",
        "optimizer.lr 0.002 -> 0.01",
        "optimizer.weight_decay 0.0 -> 0.0001",
        "trainer.freeze none -> backbone",
    ]


def test_paths_names_and_other_commands_settings_are_no_changes():
    noise = ["plots_dir=x", "data.videos_dir=y", "tracking.run_name=z", "evaluation.bootstrap=7", "export.opset=21"]
    noise += ["trainer.run_dir=r", "data.cache.dir=null", "compare.metric=top3", "tune.trials=3"]
    assert changes(params(), params(*noise)) == []
    assert changes({"data.size": "56", "optimizer.lr": "1"}, {"data.size": "56", "optimizer.lr": "1.0"}) == []


def test_a_key_that_did_not_exist_yet_had_its_default():
    old = {key: value for key, value in params().items() if key != "trainer.ema_decay"}
    assert changes(old, params()) == []
    assert [str(change) for change in changes(old, params("trainer.ema_decay=0.9"))] == [
        "trainer.ema_decay null -> 0.9"
    ]


def test_another_networks_own_arguments_are_part_of_the_choice():
    before = {"model.network": "cnn3d", "model.args.widths": "[4]", "model.args.dropout": "0.1"}
    after = {"model.network": "c3d", "model.args.dropout": "0.5", "model.args.depth": "3"}
    found = [str(change) for change in changes(before, after)]
    assert found == ["model: cnn3d -> c3d", "model.args.dropout 0.1 -> 0.5"]
    same = {"model.network": "cnn3d", "model.args.dropout": "0.1"}
    assert [str(change) for change in changes(before, same)] == ["model.args.widths [4] -> (none)"]


def reason(client: MlflowClient, second: str) -> str:
    comparison = find_runs(load_config(["compare.baseline=base"]))
    (run,) = (run for run in comparison.runs if run.name == second)
    return make_row(run, comparison.baseline).why


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        (
            {"overrides": ["data.size=64"], "step_seconds": 1.0},
            "2.0x: 1.0x epochs, 1.0x steps an epoch, 2.0x a step (data.size 56 -> 64, 1.3x pixels)",
        ),
        (
            {"overrides": ["trainer.max_epochs=30", "data.batch_size=32"], "epochs": 15, "steps": 10},
            "0.75x: 1.5x epochs (trainer.max_epochs 20 -> 30, stopped early after 15 of 30, the baseline stopped early "
            "after 10 of 20), 0.50x steps an epoch (data.batch_size 16 -> 32), 1.0x a step",
        ),
        (
            {"step_seconds": 0.1, "tags": {"device": "GPU B"}, "facts": {"parameters": 3000}},
            "0.20x: 1.0x epochs, 1.0x steps an epoch, 0.20x a step (device CPU A -> GPU B, 3.0x parameters)",
        ),
        ({"step_seconds": 1.0}, "2.0x: 1.0x epochs, 1.0x steps an epoch, 2.0x a step (nothing logged explains it)"),
        ({"overrides": ["optimizer.lr=0.1"]}, "1.0x"),
        ({"epochs": 5, "step_seconds": 1.0}, None),
    ],
)
def test_the_runtime_is_taken_apart_into_logged_factors(client, changed, expected):
    add_run(client, "base")
    add_run(client, "other", *changed.pop("overrides", ()), number=1, **changed)
    found = reason(client, "other")
    if expected is None:  # half the epochs at twice the time: equal runtimes, and still said
        assert found.startswith("1.0x: 0.50x epochs (stopped early after 5 of 20")
        assert "2.0x a step" in found
    else:
        assert found == expected


def test_the_factors_multiply_to_the_ratio(client):
    add_run(client, "base", epochs=7, steps=13, step_seconds=0.31)
    add_run(client, "other", number=1, epochs=11, steps=29, step_seconds=0.17)
    comparison = find_runs(load_config())
    moved = runtime_change(comparison.baseline, comparison.runs[1], [])
    product = 1.0
    for factor in moved.factors:
        product *= factor.ratio
    assert product == pytest.approx(moved.ratio) == pytest.approx(11 * 29 * 0.17 / (7 * 13 * 0.31))


def test_runs_from_before_the_facts_go_by_the_clock_and_epochs(client):
    add_run(client, "base", with_facts=False, epochs=10, steps=10, step_seconds=0.93)
    add_run(client, "other", number=1, with_facts=False, epochs=20, steps=10, step_seconds=0.965)
    assert reason(client, "other").startswith("2.0x: 2.0x epochs (")
    assert reason(client, "other").endswith("1.0x an epoch")
    assert make_row(find_runs(load_config()).baseline, find_runs(load_config()).baseline).device == "not logged"


def test_test_scores_are_joined_to_their_training_and_validation_is_called_so(client, tmp_path):
    by_tag, by_path = add_run(client, "by-tag"), add_run(client, "by-path", number=1)
    add_run(client, "untested", number=2)
    add_evaluation(client, 0.3, tags={"training_run_id": by_tag}, number=40)
    add_evaluation(client, 0.6, tags={"training_run_id": by_tag}, number=60)
    add_evaluation(client, 0.9, tags={"training_run_id": by_tag}, number=70, split="val")
    (tmp_path / "runs/x/checkpoints").mkdir(parents=True)
    (tmp_path / "runs/x/mlflow_run_id").write_text(f"{by_path}\n")
    add_evaluation(client, 0.5, tags={"checkpoint": "runs/x/checkpoints/best.ckpt"})
    comparison = find_runs(load_config())
    rows = {run.name: make_row(run, comparison.baseline) for run in comparison.runs}
    assert rows["by-tag"].top1 == "60.0 % (50.0 - 70.0)"
    assert rows["by-tag"].top3 == "80.0 %"
    assert rows["by-path"].top1 == "50.0 % (40.0 - 60.0)"
    assert rows["untested"].top1 == "40.0 % (validation)"
    assert rows["untested"].top3 == "-"


def test_the_oldest_is_the_baseline_and_unfinished_runs_wait_until_they_are_named(client):
    add_run(client, "second", "optimizer.lr=0.5", number=2)
    add_run(client, "first", number=1)
    add_run(client, "broken", number=3, status="KILLED")
    comparison = find_runs(load_config())
    assert [run.name for run in comparison.runs] == ["first", "second"]
    assert comparison.baseline.name == "first"
    named = find_runs(load_config(["compare.runs=[broken]", "compare.baseline=second"]))
    assert [run.name for run in named.runs] == ["second", "broken"]
    assert make_row(named.runs[1], named.baseline).name == "broken (killed)"
    assert make_row(named.runs[1], named.baseline).changed == ("optimizer.lr 0.5 -> 0.002",)


def test_other_data_under_the_same_settings_is_a_change(client):
    add_run(client, "a", tags={"data_hash": "0123456789"})
    add_run(client, "b", number=1, tags={"data_hash": "9876543210"})
    comparison = find_runs(load_config())
    assert make_row(comparison.runs[1], comparison.baseline).changed == ("data hash 01234567 -> 98765432",)


def test_experiments_by_name_and_all(client):
    add_run(client, "a")
    add_run(client, "b", number=1, in_experiment="other")
    assert [run.name for run in find_runs(load_config(["compare.experiments=other"])).runs] == ["b"]
    for given in ("compare.experiments=all", "compare.experiments=[demo,other]"):
        assert [run.name for run in find_runs(load_config([given])).runs] == ["a", "b"]


class Tags(HTMLParser):
    """Rows of cells, and every address that the page would fetch."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.fetched: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "tr":
            self.rows.append([])
        if tag == "td":
            self.rows[-1].append("")
        self.fetched += [value or "" for name, value in attrs if name in ("src", "href")]

    def handle_data(self, data: str) -> None:
        if self.rows and self.rows[-1]:
            self.rows[-1][-1] += data.strip()


def test_the_command_writes_markdown_page_and_plot(client, run_cli: Callable, tmp_path):
    add_run(client, "plain|<b>name</b>")
    add_run(client, "a-rather-long-name-" + "x" * 60, "data.size=64", number=1, step_seconds=1)
    client.search_experiments()
    outcome = run_cli("compare-runs")
    assert (outcome.code, outcome.err) == (0, "")
    assert "data.size" in outcome.out
    assert "plots/compare/compare.md" in outcome.out
    folder = tmp_path / "plots/compare"
    assert sorted(path.name for path in folder.iterdir()) == ["compare.html", "compare.md", "compare.png"]
    table = [line for line in (folder / "compare.md").read_text().splitlines() if line.startswith("|")]
    columns = {len(re.findall(r"(?<!\\)\|", line)) for line in table}
    assert (len(table), columns) == (4, {9})
    page = Tags((folder / "compare.html").read_text())
    assert page.rows[1][0] == "plain|<b>name</b>"
    assert "2.0x a step (data.size 56 -> 64, 1.3x pixels)" in page.rows[2][-1]
    assert [address[:22] for address in page.fetched] == ["data:image/png;base64,"]
    image = cv2.imread(str(folder / "compare.png"))
    assert image.shape[0] > 200
    assert image.std() > 5


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("compare.experiments=dmo", ["compare.experiments=dmo", "'demo'"]),
        ("tracking.experiment=none", ["tracking.experiment=none", "train-ml-flow"]),
        ("compare.runs=[bse]", ["compare.runs=bse", "'base'"]),
        ("compare.baseline=bse", ["compare.baseline=bse", "'base'"]),
        ("compare.baseline=twice", ["compare.baseline=twice", "2 runs", "give an id"]),
        ("compare.experiments=hollow", ["no finished training run in hollow", "train-ml-flow"]),
    ],
)
def test_what_is_not_there_is_one_line(client, override, words):
    add_run(client, "base")
    for number in (1, 2):
        add_run(client, "twice", number=number)
    client.create_experiment("hollow")
    with pytest.raises(ConfigError) as caught:
        find_runs(load_config([override]))
    line = str(caught.value)
    assert "\n" not in line
    for word in words:
        assert word in line


def test_no_store_yet(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=r"no runs yet; python commands.py train-ml-flow"):
        find_runs(load_config())
    assert not (tmp_path / "plots").exists()


@pytest.mark.parametrize(("override"), ["compare.metric=top2", "compare.runs={a:1}"])
def test_settings_are_checked(override):
    with pytest.raises(ConfigError, match=override.split("=")[0]):
        load_config([override])


def test_durations():
    assert [duration(value) for value in (4.21, 61, 185, 7620, None)] == [
        "4.2 s",
        "61 s",
        "3 min 05 s",
        "2 h 07 min",
        "not ended",
    ]
