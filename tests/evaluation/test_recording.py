"""Every figure of an evaluation's report is found again, equal, in its files and in MLflow."""

import csv
import json
import re
import shutil
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run


@pytest.fixture
def client(tiny_overrides: list[str], tmp_path: Path, empty_store: Path) -> MlflowClient:
    (tmp_path / "plots").mkdir()
    shutil.copy(empty_store, tmp_path / "plots/mlflow.db")
    return MlflowClient(f"sqlite:///{tmp_path}/plots/mlflow.db")


class Numbers(HTMLParser):
    """The figures of a page: `found[key]` is the full value of each, and where it is found again."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: dict[str, float] = {}
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = dict(attrs)
        if tag == "data":
            self.found[str(told["data-key"])] = float(str(told["value"]))


def in_files(folder: Path) -> dict[str, float]:
    """Every number of the tables by `FILE/ROW/COLUMN`, where a row is named by its first cells."""
    values = {
        f"metrics.json/{name}": value for name, value in json.loads((folder / "metrics.json").read_text()).items()
    }
    for path in folder.glob("*.csv"):
        for row in csv.DictReader(path.open(encoding="utf-8", newline="")):
            cells = list(row.values())
            for name, cell in row.items():
                if re.fullmatch(r"-?[\d.]+(e-?\d+)?", cell or ""):
                    for length in (1, 2):
                        values["/".join([path.name, *cells[:length], name])] = float(cell)
    return values


def test_every_figure_of_the_report_is_in_the_files_and_in_mlflow(
    run_cli: Callable, tiny_overrides: list[str], tmp_path: Path, client: MlflowClient
) -> None:
    assert run_cli("train-ml-flow", *tiny_overrides, "trainer.max_epochs=1").code == 0
    again = [f"plots_dir={tmp_path}/plots", "evaluation.bootstrap=50", "tracking.system_metrics=false"]
    judged = run_cli("infer-ml-flow", *again)
    assert judged.code == 0, judged.err
    experiment = client.get_experiment_by_name("hmdb51").experiment_id
    found = [client.get_run(run.info.run_id) for run in client.search_runs([experiment])]
    runs = {run.data.tags["command"]: run for run in found}
    trained, evaluation = runs["train-ml-flow"], runs["infer-ml-flow"]
    (folder,) = tmp_path.glob("plots/runs/*/test_best")
    page = Numbers((folder / "report.html").read_text(encoding="utf-8")).found
    assert len(page) > 40
    values = in_files(folder)
    unlike = {key: value for key, value in page.items() if values.get(unquote(key)) != value}
    assert unlike == {}

    # What the files hold is in MLflow: metrics in the store, tables among the artifacts.
    downloads = Path(client.download_artifacts(evaluation.info.run_id, "", str(tmp_path / "got")))
    assert in_files(downloads) == values
    for path in folder.iterdir():
        kept = downloads / ("plots" if path.suffix in (".png", ".svg", ".jpg") else "") / path.name
        assert kept.read_bytes() == path.read_bytes()
    flat = json.loads((folder / "metrics.json").read_text())
    scores = {f"test_{name}": value for name, value in flat.items() if isinstance(value, float)}
    assert evaluation.data.metrics == scores
    assert {evaluation.data.tags[f"test_{name}"] for name in ("clips", "groups")} == {"8", "2"}
    check_model(client, trained, evaluation, scores)

    # Another evaluation judges the same model; other weights are another one.
    assert run_cli("infer-ml-flow", *again, "evaluation.split=val").code == 0
    (model,) = client.search_logged_models([experiment])
    assert {metric.key for metric in model.metrics} >= {"test_top1", "val_top1_low"}
    assert run_cli("infer-ml-flow", *again, "evaluation.checkpoint=last").code == 0
    (other,) = [one for one in client.search_logged_models([experiment]) if one.model_id != model.model_id]
    assert other.name.endswith("-last")
    assert {metric.key for metric in other.metrics} == set(scores)


def check_model(client: MlflowClient, trained: Run, evaluation: Run, scores: dict[str, float]) -> None:
    """The training's output is the evaluation's input, and has its scores, each with the clips it was measured on."""
    (made,), (given,) = trained.outputs.model_outputs, evaluation.inputs.model_inputs
    assert made.model_id == given.model_id
    model = client.get_logged_model(made.model_id)
    (test_set,) = [one.dataset for one in evaluation.inputs.dataset_inputs]
    sets = {one.dataset.name: one.dataset for one in trained.inputs.dataset_inputs} | {test_set.name: test_set}
    assert list(map(json.loads, (one.profile for one in sets.values())))[-1] == {
        "clips": 8,
        "source_videos": 2,
        "classes": 2,
    }
    of_split = {name: [metric for metric in model.metrics if metric.key.startswith(name)] for name in ("test", "val")}
    assert {metric.key: metric.value for metric in of_split["test"]} == scores
    assert {(metric.dataset_name, metric.dataset_digest) for metric in of_split["test"]} == {
        (test_set.name, test_set.digest)
    }
    curves = {metric.key: client.get_metric_history(trained.info.run_id, metric.key) for metric in of_split["val"]}
    assert "val_top1" in curves
    assert all(metric.value in [point.value for point in curves[metric.key]] for metric in of_split["val"])
    assert {metric.dataset_name for metric in of_split["val"]} == {"hmdb51, split 1: val"}
    assert {metric.dataset_name for metric in model.metrics} == set(sets)
    assert model.params["model.network"] == "cnn3d"
    assert model.tags["checkpoint"] == f"runs:/{trained.info.run_id}/checkpoints/best.ckpt"
    # The training run shows the main scores, once.
    run = client.get_run(trained.info.run_id)
    assert run.data.metrics["test_top1"] == scores["test_top1"]
    assert "test_log_loss_low" not in run.data.metrics
