import shutil
from pathlib import Path

import optuna
import pytest
from mlflow import MlflowClient
from rich.console import Console


@pytest.fixture
def client(tmp_path: Path, empty_store: Path, monkeypatch: pytest.MonkeyPatch) -> MlflowClient:
    """The tracking store of the working directory."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "plots").mkdir(exist_ok=True)
    shutil.copy(empty_store, tmp_path / "plots/mlflow.db")
    return MlflowClient(f"sqlite:///{tmp_path}/plots/mlflow.db")


@pytest.fixture
def console() -> Console:
    return Console(record=True, width=200)


@pytest.fixture(scope="session")
def empty_studies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("studies") / "optuna.db"
    optuna.storages.RDBStorage(f"sqlite:///{path}")
    return path


@pytest.fixture
def studies(tmp_path: Path, empty_studies: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a database of studies."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "plots").mkdir(exist_ok=True)
    shutil.copy(empty_studies, tmp_path / "plots/optuna.db")
    return tmp_path
