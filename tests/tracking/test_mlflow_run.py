"""`open_run` against real SQLite stores and, once, a real MLflow server."""

import re
import shutil
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import lightning as L
import pytest
import torch
from helpers.dvc_repos import git, write
from lightning.pytorch.demos.boring_classes import BoringModel
from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.server import constants
from werkzeug.serving import make_server

from action_recognition.config import flatten, load_config, to_yaml
from action_recognition.errors import ConfigError
from action_recognition.tracking.mlflow_run import Tracker, code_tags, open_run
from action_recognition.tracking.mlflow_store import experiment_hint, local_path
from action_recognition.tracking.run_notes import merge_note

QUIET = "tracking.system_metrics=false"


@pytest.fixture
def project(tmp_path: Path, empty_store: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a fresh store where the default configuration looks for it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "plots").mkdir()
    shutil.copy(empty_store, tmp_path / "plots/mlflow.db")
    return tmp_path


def quiet_run(*overrides: str, resume: str | None = None, **tags: str) -> AbstractContextManager[Tracker]:
    return open_run(load_config([QUIET, *overrides]), tags=tags, resume_run_id=resume)


def stored(tracker: Tracker) -> Run:
    """The run in the store, read by another client."""
    return MlflowClient(tracker.tracking_uri).get_run(tracker.run_id)


def test_a_run_holds_config_tags_metrics_and_files(project: Path) -> None:
    widths = "model.args.widths=[4,4,4]"
    config = load_config([QUIET, widths])
    (project / "curve.png").write_bytes(b"png")
    with quiet_run(widths, command="train-ml-flow", data_hash="abc") as tracker:
        tracker.log_metrics({"top1": 0.5, "class/shoot (ball)": 1}, step=3)
        tracker.log_artifact(project / "curve.png", "plots")
    run = stored(tracker)
    assert run.info.status == "FINISHED"
    assert re.fullmatch(r"demo-cnn3d-\d{8}-\d{6}", run.info.run_name)
    assert run.data.params == {key: str(value) for key, value in flatten(config).items()}
    assert run.data.metrics == {"top1": 0.5, "class/shoot _ball_": 1.0}
    assert run.data.tags.items() >= {"command": "train-ml-flow", "data_hash": "abc"}.items()
    assert run.data.tags["version.torch"].split("+")[0] == torch.__version__.split("+")[0]
    folder = Path("plots/mlruns/demo") / tracker.run_id / "artifacts"
    assert local_path(tracker.artifact_uri) == project / folder
    assert (project / folder / "plots/curve.png").read_bytes() == b"png"
    assert (project / folder / "config.yaml").read_text() == to_yaml(config)
    command, address = tracker.url_hint.split(", then open ")
    assert command == "mlflow ui --backend-store-uri sqlite:///plots/mlflow.db --port 8080"
    page = f"#/experiments/{tracker.experiment_id}/runs"
    assert address == f"http://127.0.0.1:8080/{page}/{tracker.run_id}?workflowType=machine_learning"
    assert experiment_hint(config.tracking).endswith(f"{page}?workflowType=machine_learning")


def test_a_description_is_set_part_by_part_and_keeps_what_a_person_wrote() -> None:
    note = merge_note("", {"Test": "50 %", "Training": "a"})
    assert note == "**Training:** a\n\n**Test:** 50 %"
    note = merge_note(f"{note}\n\nmy remark: **Test:** x", {"Test": "60 %"})
    assert note == "**Training:** a\n\n**Test:** 60 %\n\nmy remark: **Test:** x"
    assert merge_note(note, {}) == note


def test_long_values_and_many_parameters_fit(project: Path) -> None:
    with quiet_run(long="x" * 9000) as tracker:
        tracker.log_params({"classes": "x" * 9000} | {f"extra.{number}": number for number in range(250)})
        tracker.describe({"Test": "x" * 9000})
    data = stored(tracker).data
    assert (len(data.params["classes"]), data.params["extra.249"]) == (6000, "249")
    assert (len(data.tags["long"]), len(data.tags["mlflow.note.content"])) == (8000, 8000)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ValueError("broken"), "FAILED"),
        (KeyboardInterrupt(), "KILLED"),
        (SystemExit(1), "KILLED"),
        (SystemExit(0), "FINISHED"),
    ],
)
def test_a_run_ends_as_its_block_does(project: Path, error: BaseException, status: str) -> None:
    with pytest.raises(type(error)), quiet_run() as tracker:
        raise error
    assert stored(tracker).info.status == status


class LoggedModel(BoringModel):
    interrupt = False

    def on_train_epoch_end(self) -> None:
        self.log("train_loss", 1.0)
        if self.interrupt:
            raise KeyboardInterrupt


def fit(tracker: Tracker, model: LoggedModel) -> None:
    quiet = {"enable_checkpointing": False, "enable_progress_bar": False, "enable_model_summary": False}
    limits = {"max_epochs": 3, "limit_train_batches": 2, "limit_val_batches": 0, "log_every_n_steps": 1}
    L.Trainer(logger=tracker.lightning_logger(), accelerator="cpu", **limits, **quiet).fit(model)


def test_lightning_logs_into_the_same_run_and_does_not_end_it(project: Path) -> None:
    model = LoggedModel()
    with quiet_run() as tracker:
        fit(tracker, model)
        assert stored(tracker).info.status == "RUNNING"
    assert len(tracker.client.get_metric_history(tracker.run_id, "train_loss")) == 3
    model.interrupt = True
    with pytest.raises(SystemExit), quiet_run(resume=tracker.run_id) as tracker:
        fit(tracker, model)
    assert stored(tracker).info.status == "KILLED"
    assert len(tracker.client.search_runs([tracker.experiment_id])) == 1


def test_resuming_continues_the_same_run(project: Path) -> None:
    with pytest.raises(ValueError, match="stop"), quiet_run(command="a") as first:
        raise ValueError("stop")
    longer = "trainer.max_epochs=99"
    with quiet_run(longer, resume=first.run_id, command="b") as second:
        assert stored(first).info.status == "RUNNING"
    assert (second.resumed, second.run_id) == (True, first.run_id)
    run = stored(first)
    assert run.info.status == "FINISHED"
    assert run.data.params["trainer.max_epochs"] == "20"
    assert run.data.tags["command"] == "b"
    (resumed,) = (project / f"plots/mlruns/demo/{second.run_id}/artifacts").glob("config-resumed-*.yaml")
    assert resumed.read_text() == to_yaml(load_config([QUIET, longer]))
    with quiet_run(resume="0" * 32) as third:
        assert not third.resumed


def test_the_first_run_of_a_project_is_quiet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """It makes a database and folders, and writes nothing to the terminal or to other places."""
    monkeypatch.chdir(tmp_path)
    with open_run(load_config(["plots_dir=some/where"]), tags={}) as tracker:
        tracker.log_metrics({"a": 1})
    assert capfd.readouterr() == ("", "")
    assert {path.name for path in (tmp_path / "some/where").iterdir()} == {"mlflow.db", "mlruns"}
    assert {path.name for path in tmp_path.iterdir()} == {"some"}
    metrics = tracker.client.get_run(tracker.run_id).data.metrics
    assert {"system/cpu_utilization_percentage", "system/system_memory_usage_megabytes"} <= set(metrics)


def test_code_tags(tmp_path: Path) -> None:
    assert code_tags(tmp_path) == {}
    write(tmp_path, {"a.py": "1", ".gitignore": ".venv\n", ".venv/package/b.py": "installed"})
    for words in (["init", "-q", "-b", "trunk"], ["add", "."], ["commit", "-qm", "one"]):
        git(tmp_path, *words)
    expected = {"commit": git(tmp_path, "rev-parse", "HEAD"), "branch": "trunk", "dirty": "false"}
    assert code_tags(tmp_path) == {f"mlflow.source.git.{key}": value for key, value in expected.items()}
    write(tmp_path, {"a.py": "2"})
    assert code_tags(tmp_path)["mlflow.source.git.dirty"] == "true"
    assert code_tags(tmp_path / ".venv/package") == {}


def refusal(*overrides: str) -> str:
    with pytest.raises(ConfigError) as error, quiet_run(*overrides):
        pass
    return str(error.value)


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("plots/mlruns", "expected sqlite:///FILE, http(s)://SERVER"),
        ("file:plots/mlruns", "MLflow no longer takes a folder"),
        ("sqlite:///notes.txt", "file is not a database"),
        ("sqlite:///notes.txt/mlflow.db", "MLflow cannot use it"),
        ("sqlite:///folder", "folder is a folder; expected sqlite:///FILE"),
        ("http://127.0.0.1:9", "no MLflow server answers"),
    ],
)
def test_a_store_that_cannot_be_used(project: Path, uri: str, message: str) -> None:
    (project / "notes.txt").write_text("no database at all")
    (project / "folder").mkdir()
    line = refusal(f"tracking.tracking_uri={uri}")
    assert line.startswith(f"tracking.tracking_uri={uri}: ")
    assert message in line


def test_a_deleted_experiment(project: Path) -> None:
    with quiet_run() as tracker:
        pass
    tracker.client.delete_experiment(tracker.experiment_id)
    assert "mlflow experiments restore" in refusal()


def test_an_older_schema_names_the_upgrade(project: Path) -> None:
    with sqlite3.connect(project / "plots/mlflow.db") as database:
        database.execute("UPDATE alembic_version SET version_num = '451aebb31d03'")
    assert "mlflow db upgrade sqlite:////" in refusal()


def test_a_moved_project_does_not_write_where_it_was(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before, after = project / "before", project / "after"
    before.mkdir()
    shutil.move(project / "plots", before / "plots")
    monkeypatch.chdir(before)
    with quiet_run():
        pass
    before.rename(after)
    monkeypatch.chdir(after)
    assert "tracking.experiment=demo-2" in refusal()
    assert not before.exists()
    with quiet_run("tracking.experiment=demo-2"):
        pass


@pytest.fixture
def server(project: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """MLflow's own server application on a free port, with the project's database; it starts faster in a thread."""
    monkeypatch.setenv(constants.BACKEND_STORE_URI_ENV_VAR, f"sqlite:///{project}/plots/mlflow.db")
    monkeypatch.setenv(constants.SERVE_ARTIFACTS_ENV_VAR, "true")
    monkeypatch.setenv(constants.ARTIFACT_ROOT_ENV_VAR, "mlflow-artifacts:/")
    monkeypatch.setenv(constants.ARTIFACTS_DESTINATION_ENV_VAR, str(project / "server"))
    from mlflow.server import app, handlers

    monkeypatch.setattr(handlers, "_tracking_store", None)
    monkeypatch.setattr(handlers, "_artifact_repo", None)
    with make_server("127.0.0.1", 0, app, threaded=True) as http:
        thread = threading.Thread(target=http.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{http.server_port}"
        finally:
            http.shutdown()
            thread.join()


def test_a_server_keeps_the_artifacts(server: str, project: Path) -> None:
    with quiet_run(f"tracking.tracking_uri={server}") as tracker:
        tracker.lightning_logger().log_metrics({"train_loss": 1.0}, step=0)
    page = f"experiments/{tracker.experiment_id}/runs/{tracker.run_id}?workflowType=machine_learning"
    assert tracker.url_hint == f"{server}/#/{page}"
    assert tracker.artifact_uri.startswith("mlflow-artifacts:/")
    run = stored(tracker)
    assert (run.info.status, run.data.metrics) == ("FINISHED", {"train_loss": 1.0})
    assert [file.path for file in MlflowClient(server).list_artifacts(tracker.run_id)] == ["config.yaml"]
    assert not (project / "plots/mlruns").exists()
