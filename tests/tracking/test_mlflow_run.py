"""`open_run` against real SQLite stores and, once, a real MLflow server."""

import re
import shutil
import sqlite3
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lightning as L
import pytest
import torch
from lightning.pytorch.demos.boring_classes import BoringModel
from lightning.pytorch.loggers import MLFlowLogger
from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.server.constants import (
    ARTIFACT_ROOT_ENV_VAR,
    ARTIFACTS_DESTINATION_ENV_VAR,
    BACKEND_STORE_URI_ENV_VAR,
    SERVE_ARTIFACTS_ENV_VAR,
)
from werkzeug.serving import make_server

from action_recognition.config import Config, flatten, load_config, to_yaml
from action_recognition.errors import ConfigError
from action_recognition.tracking.mlflow_run import code_tags, open_run
from action_recognition.tracking.mlflow_store import experiment_hint
from action_recognition.tracking.run_notes import merge_note

QUIET = "tracking.system_metrics=false"


@pytest.fixture
def project(tmp_path: Path, empty_store: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a fresh store where the default configuration looks for it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "plots").mkdir()
    shutil.copy(empty_store, tmp_path / "plots/mlflow.db")
    return tmp_path


def stored(project: Path, run_id: str) -> Run:
    return MlflowClient(f"sqlite:///{project}/plots/mlflow.db").get_run(run_id)


def test_a_run_holds_config_tags_metrics_and_files(project: Path) -> None:
    config = load_config([QUIET, "model.args.widths=[4,4,4]"])
    (project / "curve.png").write_bytes(b"png")
    with open_run(config, tags={"command": "train-ml-flow", "data_hash": "abc"}) as tracker:
        tracker.log_metrics({"top1": 0.5, "class/shoot (ball)": 1}, step=3)
        tracker.log_artifact(project / "curve.png", "plots")
    run = stored(project, tracker.run_id)
    assert run.info.status == "FINISHED"
    assert re.fullmatch(r"demo-cnn3d-\d{8}-\d{6}", run.info.run_name)
    assert run.data.params == {key: str(value) for key, value in flatten(config).items()}
    assert run.data.metrics == {"top1": 0.5, "class/shoot _ball_": 1.0}
    assert run.data.tags.items() >= {"command": "train-ml-flow", "data_hash": "abc"}.items()
    assert run.data.tags["version.torch"].split("+")[0] == torch.__version__.split("+")[0]
    folder = Path("plots/mlruns/demo") / tracker.run_id / "artifacts"
    assert tracker.artifact_dir == folder
    assert (project / folder / "plots/curve.png").read_bytes() == b"png"
    assert (project / folder / "config.yaml").read_text() == to_yaml(config)
    command, address = tracker.url_hint.split(", then open ")
    assert command == "mlflow ui --backend-store-uri sqlite:///plots/mlflow.db --port 8080"
    page = f"experiments/{tracker.experiment_id}/runs/{tracker.run_id}?workflowType=machine_learning"
    assert address == f"http://127.0.0.1:8080/#/{page}"
    assert experiment_hint(config.tracking).endswith(
        f"#/experiments/{tracker.experiment_id}/runs?workflowType=machine_learning"
    )


def test_a_description_is_set_part_by_part_and_a_persons_words_stay(project: Path) -> None:
    with open_run(load_config([QUIET]), tags={}) as tracker:
        tracker.describe({"Test": "50 %", "Training": "a"})
        note = stored(project, tracker.run_id).data.tags["mlflow.note.content"]
        assert note == "**Training:** a\n\n**Test:** 50 %"
        tracker.client.set_tag(tracker.run_id, "mlflow.note.content", f"{note}\n\nmy remark: **Test:** x")
        tracker.describe({"Test": "60 %"})
    note = stored(project, tracker.run_id).data.tags["mlflow.note.content"]
    assert note == "**Training:** a\n\n**Test:** 60 %\n\nmy remark: **Test:** x"
    assert merge_note(note, {}) == note


def test_long_values_and_many_parameters_fit(project: Path) -> None:
    with open_run(load_config([QUIET]), tags={"long": "x" * 9000}) as tracker:
        tracker.log_params({"classes": "x" * 9000} | {f"extra.{number}": number for number in range(250)})
    run = stored(project, tracker.run_id)
    assert len(run.data.params["classes"]) == 6000
    assert run.data.params["extra.249"] == "249"
    assert len(run.data.tags["long"]) == 8000


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
    with pytest.raises(type(error)), open_run(load_config([QUIET]), tags={}) as tracker:
        raise error
    assert stored(project, tracker.run_id).info.status == status


class LoggedModel(BoringModel):
    def training_step(self, batch: torch.Tensor, batch_idx: int) -> Any:
        result = super().training_step(batch, batch_idx)
        self.log("train_loss", result["loss"], on_step=False, on_epoch=True)
        return result


class Interrupt(L.Callback):
    def on_train_epoch_end(self, *_: object) -> None:
        raise KeyboardInterrupt


def fit(logger: MLFlowLogger, *callbacks: L.Callback) -> None:
    quiet = {"enable_checkpointing": False, "enable_progress_bar": False, "enable_model_summary": False}
    limits = {"max_epochs": 3, "limit_train_batches": 2, "limit_val_batches": 0}
    L.Trainer(logger=logger, accelerator="cpu", callbacks=list(callbacks), **limits, **quiet).fit(LoggedModel())


def test_lightning_logs_into_the_same_run_and_does_not_end_it(project: Path) -> None:
    with open_run(load_config([QUIET]), tags={}) as tracker:
        fit(tracker.lightning_logger())
        assert stored(project, tracker.run_id).info.status == "RUNNING"
    assert len(tracker.client.get_metric_history(tracker.run_id, "train_loss")) == 3
    again = open_run(load_config([QUIET]), tags={}, resume_run_id=tracker.run_id)
    with pytest.raises(SystemExit), again as tracker:
        fit(tracker.lightning_logger(), Interrupt())
    assert stored(project, tracker.run_id).info.status == "KILLED"
    assert len(tracker.client.search_runs([tracker.experiment_id])) == 1


def test_resuming_goes_on_in_the_same_run(project: Path) -> None:
    with pytest.raises(ValueError, match="stop"), open_run(load_config([QUIET]), tags={"command": "a"}) as first:
        raise ValueError("stop")
    longer = load_config([QUIET, "trainer.max_epochs=99"])
    with open_run(longer, tags={"command": "b"}, resume_run_id=first.run_id) as second:
        assert stored(project, first.run_id).info.status == "RUNNING"
    assert (second.resumed, second.run_id) == (True, first.run_id)
    run = stored(project, first.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.params["trainer.max_epochs"] == "20"
    assert run.data.tags["command"] == "b"
    (resumed,) = (project / second.artifact_dir).glob("config-resumed-*.yaml")  # type: ignore[operator]
    assert resumed.read_text() == to_yaml(longer)
    with open_run(longer, tags={}, resume_run_id="0" * 32) as third:
        assert not third.resumed


def test_the_first_run_of_a_project_is_quiet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """A new database and system metrics: nothing on the terminal, parent folders made, nothing written elsewhere."""
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
    git = ["git", "-c", "user.name=n", "-c", "user.email=e@x"]
    (tmp_path / "a.py").write_text("1")
    for words in (["init", "-q", "-b", "trunk"], ["add", "a.py"], ["commit", "-qm", "one"]):
        subprocess.run([*git, *words], cwd=tmp_path, check=True)
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=tmp_path, check=True, capture_output=True, text=True)
    expected = {"commit": head.stdout.strip(), "branch": "trunk", "dirty": "false"}
    assert code_tags(tmp_path) == {f"mlflow.source.git.{key}": value for key, value in expected.items()}
    (tmp_path / "a.py").write_text("2")
    assert code_tags(tmp_path)["mlflow.source.git.dirty"] == "true"
    installed = tmp_path / ".venv/package"
    installed.mkdir(parents=True)
    (tmp_path / ".gitignore").write_text(".venv\n")
    assert code_tags(installed) == {}


def refusal(config: Config) -> str:
    """The one line with which the store is refused."""
    with pytest.raises(ConfigError) as error, open_run(config, tags={}):
        pass
    assert "\n" not in str(error.value)
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
    line = refusal(tracked_at(uri))
    assert line.startswith(f"tracking.tracking_uri={uri}: ")
    assert message in line


def test_an_older_schema_names_the_upgrade(project: Path) -> None:
    with sqlite3.connect(project / "plots/mlflow.db") as database:
        database.execute("UPDATE alembic_version SET version_num = '451aebb31d03'")
    assert "mlflow db upgrade sqlite:////" in refusal(load_config([QUIET]))


def test_an_experiment_that_was_deleted(project: Path) -> None:
    with open_run(load_config([QUIET]), tags={}) as tracker:
        pass
    tracker.client.delete_experiment(tracker.experiment_id)
    assert "mlflow experiments restore" in refusal(load_config([QUIET]))


def test_a_moved_project_does_not_write_where_it_was(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before, after = project / "before", project / "after"
    before.mkdir()
    shutil.move(project / "plots", before / "plots")
    monkeypatch.chdir(before)
    with open_run(load_config([QUIET]), tags={}):
        pass
    before.rename(after)
    monkeypatch.chdir(after)
    assert "tracking.experiment=demo-2" in refusal(load_config([QUIET]))
    assert not before.exists()
    with open_run(load_config([QUIET, "tracking.experiment=demo-2"]), tags={}):
        pass


@pytest.fixture
def server(project: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """MLflow's own server application on a free port, with the project's database; in a thread, as it starts sooner."""
    monkeypatch.setenv(BACKEND_STORE_URI_ENV_VAR, f"sqlite:///{project}/plots/mlflow.db")
    monkeypatch.setenv(SERVE_ARTIFACTS_ENV_VAR, "true")
    monkeypatch.setenv(ARTIFACT_ROOT_ENV_VAR, "mlflow-artifacts:/")
    monkeypatch.setenv(ARTIFACTS_DESTINATION_ENV_VAR, str(project / "server"))
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


def tracked_at(uri: str) -> Config:
    return load_config([QUIET, f"tracking.tracking_uri={uri}"])


def test_a_server_keeps_the_artifacts(server: str, project: Path) -> None:
    with open_run(tracked_at(server), tags={"command": "train"}) as tracker:
        tracker.lightning_logger().log_metrics({"train_loss": 1.0}, step=0)
    page = f"experiments/{tracker.experiment_id}/runs/{tracker.run_id}?workflowType=machine_learning"
    assert tracker.url_hint == f"{server}/#/{page}"
    assert tracker.artifact_dir is None
    run = MlflowClient(server).get_run(tracker.run_id)
    assert (run.info.status, run.data.metrics) == ("FINISHED", {"train_loss": 1.0})
    assert [file.path for file in MlflowClient(server).list_artifacts(tracker.run_id)] == ["config.yaml"]
    assert not (project / "plots/mlruns").exists()
