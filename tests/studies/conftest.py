import shutil
from pathlib import Path

import pytest
from mlflow import MlflowClient
from rich.console import Console


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An MLflow database; making one takes seconds, copying it does not."""
    path = tmp_path_factory.mktemp("store") / "mlflow.db"
    MlflowClient(f"sqlite:///{path}").search_experiments()
    return path


@pytest.fixture
def client(tmp_path: Path, empty_store: Path, monkeypatch: pytest.MonkeyPatch) -> MlflowClient:
    """The tracking store of the working directory."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "plots").mkdir()
    shutil.copy(empty_store, tmp_path / "plots/mlflow.db")
    return MlflowClient(f"sqlite:///{tmp_path}/plots/mlflow.db")


@pytest.fixture
def console() -> Console:
    return Console(record=True, width=200)
