"""Model files out of MLflow: of the model registry (`models:/...`) and of runs (`runs:/...`)."""

import logging
import os
from pathlib import Path, PurePosixPath
from typing import Any

import mlflow.tracking
import yaml
from mlflow import MlflowClient
from mlflow.artifacts import download_artifacts
from mlflow.entities import LoggedModel
from mlflow.environment_variables import MLFLOW_TRACKING_URI
from mlflow.exceptions import MlflowException
from mlflow.store.artifact.utils.models import get_model_name_and_version
from mlflow.utils.mlflow_tags import MLFLOW_MODEL_IS_EXTERNAL
from sqlalchemy.exc import SQLAlchemyError

from action_recognition.errors import ConfigError, first_line
from action_recognition.tracking.logged_models import CHECKPOINT
from action_recognition.tracking.mlflow_store import SQLITE, checked_uri
from action_recognition.utils.names import UnsafeNameError, inside_path

REGISTERED, OF_A_RUN = "models:/", "runs:/"
ARTIFACT = "model"  # under which `serving.servable` packs the model's file
_NO_ARTIFACT = "no model that this project packed"

logging.getLogger("mlflow").setLevel(logging.WARNING)


def fetch_model(uri: str, folder: Path, *, plots_dir: str) -> Path:
    """Download the model file that an MLflow URI names into `folder`.

    Args:
        uri: `models:/NAME@ALIAS`, `models:/NAME/VERSION` (or `latest`), `models:/MODEL_ID`, `runs:/RUN_ID/model`; of a
            run also a model file itself, `runs:/RUN_ID/checkpoints/best.ckpt`. The tracking server is what
            `mlflow.set_tracking_uri` or MLFLOW_TRACKING_URI names, else the database in `plots_dir`.

    Raises:
        ConfigError: if the server does not answer, there is no such model, or it holds no file of this project.
    """
    tracking_uri = _tracking_uri(uri, plots_dir)
    try:
        client = MlflowClient(tracking_uri)
        place = (_registered_place if uri.startswith(REGISTERED) else _run_place)(client, uri).rstrip("/")
        if not PurePosixPath(place).suffix:
            place = f"{place}/{_packed_file(place, folder, tracking_uri)}"
        return Path(download_artifacts(artifact_uri=place, dst_path=str(folder), tracking_uri=tracking_uri))
    except (MlflowException, SQLAlchemyError, OSError, ValueError) as error:
        raise ConfigError(f"{uri}: MLflow at {tracking_uri} has no such model ({first_line(error)})") from None


def _tracking_uri(uri: str, plots_dir: str) -> str:
    if mlflow.tracking.is_tracking_uri_set():
        return checked_uri(mlflow.get_tracking_uri(), name=str(MLFLOW_TRACKING_URI.name))
    database = Path(plots_dir, "mlflow.db")
    if not database.is_file():
        raise ConfigError(
            f"{uri}: no MLflow database {database}; set MLFLOW_TRACKING_URI, or register a model: "
            "python commands.py train-ml-flow-server-dvc"
        )
    return checked_uri(f"{SQLITE}{database}")


def _registered_place(client: MlflowClient, uri: str) -> str:
    """The address of the artifacts. `download_artifacts` would look up the name at MLflow's global registry."""
    found = get_model_name_and_version(client, uri)
    if len(found) == 1:  # the id of a logged model
        return _place_of(client.get_logged_model(*found))
    return str(client.get_model_version_download_uri(*found))


def _run_place(client: MlflowClient, uri: str) -> str:
    """`uri`; where it names a run's model, the place of that, which is apart from the run's artifacts."""
    run_id, _, path = uri.removeprefix(OF_A_RUN).partition("/")
    if path.rstrip("/") != ARTIFACT or not (outputs := client.get_run(run_id).outputs) or not outputs.model_outputs:
        return uri
    return _place_of(client.get_logged_model(outputs.model_outputs[-1].model_id))


def _place_of(model: LoggedModel) -> str:
    """The artifacts of a logged model, or the checkpoint in a run's artifacts that it stands for."""
    checkpoint = model.tags.get(CHECKPOINT, "")
    if model.tags.get(MLFLOW_MODEL_IS_EXTERNAL) != "true":
        return str(model.artifact_location)
    if not checkpoint.startswith(OF_A_RUN):
        raise ValueError(f"MLflow does not hold its checkpoint, {checkpoint}")
    return checkpoint


def _packed_file(place: str, folder: Path, tracking_uri: str) -> str:
    """The path of the model's file below the folder of an MLflow model, as its `MLmodel` says."""
    path = download_artifacts(artifact_uri=f"{place}/MLmodel", dst_path=str(folder), tracking_uri=tracking_uri)
    try:
        about: Any = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
        return inside_path(about["flavors"]["python_function"]["artifacts"][ARTIFACT]["path"]).as_posix()
    except (yaml.YAMLError, KeyError, TypeError, AttributeError, UnsafeNameError):
        raise ValueError(_NO_ARTIFACT) from None
    finally:
        os.unlink(path)  # noqa: PTH108
