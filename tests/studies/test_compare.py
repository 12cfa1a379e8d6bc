"""`compare-runs` against runs written with MLflow's client, whose runtimes and scores are known."""

import functools
import re
import shutil
from collections.abc import Callable, Sequence
from html.parser import HTMLParser
from pathlib import Path

import cv2
import pytest
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag

from action_recognition.config import flatten, load_config
from action_recognition.errors import ConfigError
from action_recognition.studies.changes import changes
from action_recognition.studies.compare import find_runs
from action_recognition.studies.noise import score_difference
from action_recognition.studies.runtime import runtime_change
from action_recognition.studies.table import duration, make_row

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
    epoch_seconds: Sequence[float] = (),
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
    ends = [sum(epoch_seconds[: number + 1]) for number in range(len(epoch_seconds))]
    points += [Metric("train_loss", 1.0, start + round(1000 * end), step) for step, end in enumerate(ends, start=1)]
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
) -> str:
    run = client.create_run(experiment(client, "elsewhere"), start_time=START + number * 86_400_000)
    scores = {"top1": top1, "top3": top1 + 0.2, "top1_low": top1 - 0.1, "top1_high": top1 + 0.1, "clips": 90, **more}
    client.log_batch(
        run.info.run_id,
        metrics=[Metric(f"test_{name}", value, START, 0) for name, value in scores.items()],
        params=[Param("evaluation.split", split), Param("evaluation.allow_leakage", "False")],
        tags=[RunTag(*item) for item in {"command": "infer-ml-flow", **tags}.items()],
    )
    client.set_terminated(run.info.run_id)
    return str(run.info.run_id)


@functools.cache
def params(*overrides: str) -> dict[str, str]:
    return {key: str(value) for key, value in flatten(load_config(overrides)).items()}


def test_changes_are_readable_with_group_choices_first():
    after = params("optimizer=sgd", "augment.mixup_alpha=0.2", "clip.size=48", "trainer.freeze=backbone")
    assert [str(change) for change in changes(params(), after)] == [
        "optimizer: adam -> sgd",
        "augment.mixup_alpha 0.0 -> 0.2",
        "clip.size 56 -> 48",
        "optimizer.lr 0.002 -> 0.01",
        "optimizer.weight_decay 0.0 -> 0.0001",
        "trainer.freeze none -> backbone",
    ]


def test_paths_names_and_other_commands_settings_are_no_changes():
    noise = ["plots_dir=x", "data.videos_dir=y", "tracking.run_name=z", "evaluation.bootstrap=7", "export.opset=21"]
    noise += ["trainer.run_dir=r", "data.cache.dir=null", "compare.metric=top3", "tune.trials=3"]
    assert changes(params(), params(*noise)) == []
    assert changes({"clip.size": "56", "optimizer.lr": "1"}, {"clip.size": "56", "optimizer.lr": "1.0"}) == []


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
            {"overrides": ["clip.size=64"], "step_seconds": 1.0},
            "2.0x: 1.0x epochs, 1.0x steps an epoch, 2.0x a step (clip.size 56 -> 64, 1.3x pixels)",
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
    assert (rows["by-tag"].top1, rows["by-tag"].interval, rows["by-tag"].top3) == ("60.0 %", "50.0 - 70.0", "80.0 %")
    assert (rows["by-path"].top1, rows["by-path"].interval) == ("50.0 %", "40.0 - 60.0")
    assert (rows["untested"].top1, rows["untested"].interval, rows["untested"].top3) == ("40.0 %", "validation", "-")
    assert rows["untested"].difference == "not compared: no test score"


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
    for given in ("compare.experiments=other", "tracking.experiment=other"):
        assert [run.name for run in find_runs(load_config([given])).runs] == ["b"]
    for given in ("compare.experiments=all", "compare.experiments=[demo,other]"):
        comparison = find_runs(load_config([given]))
        assert [run.name for run in comparison.runs] == ["a", "b"]
        assert [comparison.baseline_of(run).name for run in comparison.runs] == ["a", "a"]


def test_all_experiments_by_default_each_against_its_own_oldest_run(client):
    """Whatever the demo, which is the default data set, has: here nothing."""
    add_run(client, "b1", number=1, in_experiment="b")
    add_run(client, "c1", number=2, in_experiment="c")
    add_run(client, "b2", number=3, in_experiment="b")
    comparison = find_runs(load_config())
    assert [run.name for run in comparison.runs] == ["b1", "b2", "c1"]
    assert [comparison.baseline_of(run).name for run in comparison.runs] == ["b1", "b1", "c1"]
    named = find_runs(load_config(["compare.baseline=c1"]))
    assert {named.baseline_of(run).name for run in named.runs} == {"c1"}


def add_predictions(client: MlflowClient, run_id: str, hits: dict[str, bool], *, number: int = 50) -> None:
    """An evaluation that kept what was predicted: two clips a source video."""
    top1 = sum(hits.values()) / len(hits)
    spread = {"top1_low": max(0, top1 - 0.3), "top1_high": min(1, top1 + 0.3), "clips": len(hits)}
    evaluation = add_evaluation(client, top1, tags={"training_run_id": run_id}, number=number, **spread)
    rows = [f"{clip},{clip[:-1]},x,{'x' if hit else 'y'},1.0" for clip, hit in hits.items()]
    client.log_text(evaluation, "\n".join(["path,source,label,predicted,probability", *rows]), "predictions.csv")


def test_differences_of_scores_are_told_from_noise_on_the_same_clips(client):
    """Paired: a difference that two overlapping intervals hide is seen where both runs saw the same clips."""
    clips = [f"{source:02d}{part}" for source in range(30) for part in "ab"]
    base = {clip: int(clip[:2]) % 2 == 0 for clip in clips}
    better = {clip: hit or int(clip[:2]) % 3 == 0 for clip, hit in base.items()}
    swapped = {clip: hit != (clip[:2] in ("03", "04")) for clip, hit in base.items()}
    for number, (name, hits) in enumerate({"base": base, "better": better, "swapped": swapped}.items()):
        add_predictions(client, add_run(client, name, "optimizer.lr=0.5", number=number), hits, number=50 + number)
    add_predictions(client, add_run(client, "elsewhere", number=8), {"zz": True, "zy": False}, number=58)
    comparison = find_runs(load_config())
    found = {run.name: score_difference(comparison.baseline, run) for run in comparison.runs}
    assert found["better"].beyond_chance
    assert found["better"].value == pytest.approx(1 / 6)
    assert found["better"].low > 0
    assert not found["swapped"].beyond_chance
    assert str(found["swapped"]).startswith("+0.0 (")
    assert str(found["swapped"]).endswith("within the noise")
    assert found["elsewhere"] == "not compared: other test clips"


@pytest.mark.parametrize(
    ("top1", "expected"), [(0.4, "+10.0 (-4.1 to +24.1), within the noise"), (0.6, "+30.0 (+15.9 to +44.1)")]
)
def test_without_predictions_the_intervals_are_combined(client, top1, expected):
    for number, score in enumerate((0.3, top1)):
        add_evaluation(client, score, tags={"training_run_id": add_run(client, f"run{number}", number=number)})
    comparison = find_runs(load_config())
    assert str(score_difference(comparison.baseline, comparison.runs[1])) == expected  # sqrt(0.1^2 + 0.1^2) = 0.141


@pytest.mark.parametrize(
    ("epochs", "told"),
    [
        ([1.0, 1.4, 1.1, 1.5, 1.2, 1.3], False),  # the machine did something else as well
        ([1.3, 1.31, 1.32, 1.3, 1.31, 1.33], True),
        ([1.2], False),  # too few to know what is usual
        ([3.0], True),
    ],
)
def test_a_slower_step_is_explained_only_beyond_the_spread_of_the_epochs(client, epochs, told):
    usual = [1.0, 1.2, 1.1, 1.0, 1.05, 1.1] if len(epochs) > 1 else [1.0]
    for number, (name, seconds) in enumerate({"base": usual, "other": epochs}.items()):
        overrides = ["clip.size=64"] if number else []
        add_run(
            client,
            name,
            *overrides,
            number=number,
            epochs=len(seconds),
            steps=1,
            step_seconds=sum(seconds) / len(seconds),
            epoch_seconds=seconds,
        )
    found = reason(client, "other")
    assert ("clip.size 56 -> 64" in found) is told
    assert ("within the noise" in found) is not told


def test_long_numbers_are_rounded_as_far_as_they_still_differ():
    before = {"optimizer.lr": "0.0012381723123", "clip.std": "[63.75, 63.75, 63.75]"}
    rounded = changes(before, {"optimizer.lr": "0.002", "clip.std": "[63.712345, 63.75, 63.75]"})
    assert list(map(str, rounded)) == [
        "clip.std [63.75, 63.75, 63.75] -> [63.71, 63.75, 63.75]",
        "optimizer.lr 0.001238 -> 0.002",
    ]
    (close,) = changes(before, {**before, "optimizer.lr": "0.0012381799999"})
    assert str(close) == "optimizer.lr 0.00123817 -> 0.00123818"


def test_eighty_columns_are_enough(client, run_cli: Callable, monkeypatch):
    long = "hmdb51-two_stream-20261121-143015"
    add_run(client, long)
    add_run(client, f"{long}-2", "clip.size=64", "optimizer=sgd", number=1, step_seconds=1)
    add_run(client, "x" * 90, "optimizer.lr=0.00123817231", number=2, in_experiment="other", status="FINISHED")
    monkeypatch.setenv("COLUMNS", "80")
    lines = run_cli("compare-runs").out.splitlines()
    assert [line for line in lines if len(line) > 80 and "x" * 90 not in line] == []
    # One line a run: no cell is wrapped.
    table = lines[lines.index("demo: 2 runs") :]
    assert [len(row.split("  ")) > 3 for row in table[1:4]] == [True] * 3
    assert "other: 1 run" in lines


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
    add_run(client, "a-rather-long-name-" + "x" * 60, "clip.size=64", number=1, step_seconds=1)
    client.search_experiments()
    outcome = run_cli("compare-runs")
    assert (outcome.code, outcome.err) == (0, "")
    assert "clip.size" in outcome.out
    assert "plots/compare/compare.md" in outcome.out
    folder = tmp_path / "plots/compare"
    assert sorted(path.name for path in folder.iterdir()) == ["compare.html", "compare.md", "compare.png"]
    table = [line for line in (folder / "compare.md").read_text().splitlines() if line.startswith("|")]
    columns = {len(re.findall(r"(?<!\\)\|", line)) for line in table}
    assert (len(table), columns) == (4, {10})
    page = Tags((folder / "compare.html").read_text())
    assert page.rows[1][0] == "plain|<b>name</b>"
    assert "2.0x a step (clip.size 56 -> 64, 1.3x pixels)" in page.rows[2][-1]
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
