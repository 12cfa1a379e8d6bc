"""`compare-runs` against runs written with MLflow's client: which runs are found, and what is shown of them."""

import re
from collections.abc import Callable

import cv2
import pytest
from helpers.html_pages import Page
from helpers.recorded_runs import add_evaluation, add_run
from helpers.refusals import refused

from action_recognition.config import load_config
from action_recognition.errors import ConfigError
from action_recognition.studies.compare import Comparison, compare_runs, find_runs
from action_recognition.studies.significance import score_difference
from action_recognition.studies.table import Row, make_row


def found(*overrides: str) -> Comparison:
    return find_runs(load_config(overrides))


def names(comparison: Comparison) -> list[str]:
    return [run.name for run in comparison.runs]


def baselines(comparison: Comparison) -> list[str]:
    return [comparison.baseline_of(run).name for run in comparison.runs]


def rows_of(comparison: Comparison) -> dict[str, Row]:
    return {run.name: make_row(run, comparison.baseline_of(run)) for run in comparison.runs}


def test_test_scores_are_joined_to_their_training_and_validation_is_called_so(client, tmp_path):
    by_tag, by_path = add_run(client, "by-tag"), add_run(client, "by-path", number=1)
    add_run(client, "untested", number=2)
    add_evaluation(client, 0.3, tags={"training_run_id": by_tag}, number=40)
    add_evaluation(client, 0.6, tags={"training_run_id": by_tag}, number=60)
    add_evaluation(client, 0.9, tags={"training_run_id": by_tag}, number=70, split="val")
    (tmp_path / "runs/x/checkpoints").mkdir(parents=True)
    (tmp_path / "runs/x/mlflow_run_id").write_text(f"{by_path}\n")
    add_evaluation(client, 0.5, tags={"checkpoint": "runs/x/checkpoints/best.ckpt"})
    rows = rows_of(found())
    shown = {name: (row.scores["top-1"], row.interval, row.scores["top-3"]) for name, row in rows.items()}
    assert shown == {
        "by-tag": ("60.0 %", "50.0 - 70.0", "80.0 %"),
        "by-path": ("50.0 %", "40.0 - 60.0", "70.0 %"),
        "untested": ("40.0 %", "validation", "-"),
    }
    assert rows["untested"].difference == "not compared: no test score"


def test_predictions_that_an_evaluation_kept_are_compared(client):
    clips = [f"{source:02d}{part}" for source in range(30) for part in "ab"]
    for number, name in enumerate(("base", "other")):
        hits = {clip: bool(number) or int(clip[:2]) % 2 == 0 for clip in clips}
        add_evaluation(client, 0.5, tags={"training_run_id": add_run(client, name, number=number)}, hits=hits)
    comparison = found()
    difference = score_difference(*comparison.runs)
    assert (difference.value, difference.sources, difference.beyond_chance) == (0.5, 30, True)


def test_the_oldest_is_the_baseline_and_unfinished_runs_wait_until_they_are_named(client):
    add_run(client, "second", "optimizer.lr=0.5", number=2)
    add_run(client, "first", number=1)
    add_run(client, "broken", number=3, status="KILLED")
    assert (names(found()), baselines(found())) == (["first", "second"], ["first", "first"])
    named = found("compare.runs=[broken]", "compare.baseline=second")
    assert names(named) == ["second", "broken"]
    row = rows_of(named)["broken"]
    assert (row.name, row.changed) == ("broken (killed)", ("optimizer.lr 0.5 -> 0.002",))


def test_runs_from_before_the_facts_go_by_the_clock(client):
    for number, epochs in enumerate((10, 20)):
        add_run(client, f"run{number}", number=number, with_facts=False, epochs=epochs)
    row = rows_of(found())["run1"]
    assert row.device == "not logged"
    assert row.why.startswith("1.6x: 20 epochs x 1.35 s, baseline 10 of 20 epochs x 1.7 s")


@pytest.mark.parametrize(
    ("overrides", "runs", "against"),
    [
        # By default all experiments, each against its own oldest run.
        ([], ["b1", "b2", "c1"], ["b1", "b1", "c1"]),
        (["compare.baseline=c1"], ["b1", "c1", "b2"], ["c1", "c1", "c1"]),
        (["compare.experiments=c"], ["c1"], ["c1"]),
        (["tracking.experiment=c"], ["c1"], ["c1"]),
        (["compare.experiments=all"], ["b1", "c1", "b2"], ["b1", "b1", "b1"]),
        (["compare.experiments=[b,c]"], ["b1", "c1", "b2"], ["b1", "b1", "b1"]),
    ],
)
def test_experiments_by_name_and_all(client, overrides, runs, against):
    for number, name in enumerate(("b1", "c1", "b2")):
        add_run(client, name, number=number, experiment=name[0])
    assert (names(found(*overrides)), baselines(found(*overrides))) == (runs, against)


def test_eighty_columns_are_enough(client, run_cli: Callable, monkeypatch):
    long = "hmdb51-two_stream-20261121-143015"
    add_run(client, long)
    add_run(client, f"{long}-2", "clip.size=64", "optimizer=sgd", number=1)
    add_run(client, "x" * 90, "optimizer.lr=0.00123817231", number=2, experiment="other")
    monkeypatch.setenv("COLUMNS", "80")
    lines = run_cli("compare-runs").out.splitlines()
    assert [line for line in lines if len(line) > 80 and "x" * 90 not in line] == []
    # One line per run: no cell is wrapped.
    table = lines[lines.index("demo: 2 runs") :]
    assert [len(row.split("  ")) > 3 for row in table[1:4]] == [True] * 3
    assert "other: 1 run" in lines


def test_the_command_writes_markdown_page_and_plot(client, run_cli: Callable, tmp_path):
    add_run(client, "plain|<b>name</b>")
    add_run(client, "a-rather-long-name-" + "x" * 60, "clip.size=64", "optimizer.lr=1", number=1, epochs=20)
    outcome = run_cli("compare-runs")
    assert (outcome.code, outcome.err) == (0, "")
    assert "clip.size" in outcome.out
    assert "plots/compare/compare.md" in outcome.out
    folder = tmp_path / "plots/compare"
    assert sorted(path.name for path in folder.iterdir()) == ["compare.html", "compare.md", "compare.png"]
    table = [line for line in (folder / "compare.md").read_text().splitlines() if line.startswith("|")]
    columns = {len(re.findall(r"(?<!\\)\|", line)) for line in table}
    assert (len(table), columns) == (4, {10})
    assert "| clip.size 56 -> 64; optimizer.lr 0.002 -> 1.0 |" in table[-1].replace("\\", "")
    page = Page((folder / "compare.html").read_text())
    assert page.rows[1][0] == "plain|<b>name</b>"
    assert page.rows[2][-2:-1] == ["clip.size 56 -> 64optimizer.lr 0.002 -> 1.0"]
    assert "2.0x: 20 epochs x 20 steps x 0.05 s, baseline 10 of 20 epochs" in page.rows[2][-1]
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
        ("compare.metric=top2", ["compare.metric=top2", "top1, top3, top5, mean_class_accuracy"]),
    ],
)
def test_an_unknown_name_is_one_line(client, console, override, words):
    add_run(client, "base")
    for number in (1, 2):
        add_run(client, "twice", number=number)
    client.create_experiment("hollow")
    with refused(*words):
        compare_runs(load_config([override]), console=console)


def test_no_store_yet(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=r"no runs yet; python commands.py train-ml-flow"):
        found()
    assert not (tmp_path / "plots").exists()


def test_names_of_runs_are_a_list():
    with pytest.raises(ConfigError, match=r"compare\.runs"):
        load_config(["compare.runs={a:1}"])
