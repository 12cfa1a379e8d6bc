"""Where MLflow keeps things: tracking URIs, experiments, artifact folders, and what can be wrong with them."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urlparse
from urllib.request import url2pathname, urlopen

from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import SQLAlchemyError

from action_recognition.config import TrackingConfig
from action_recognition.errors import ConfigError, first_line
from action_recognition.utils.files import placing

UI_PORT = 8080
# MLflow 3.17 opens its pages on traces of language models; these two say that runs of trainings are wanted.
TRAINING_VIEW = "?workflowType=machine_learning"
TRAINING_EXPERIMENT = {"mlflow.experimentKind": "custom_model_development"}
SQLITE = "sqlite:///"
SERVER_SCHEMES = ("http", "https", "databricks", "databricks-uc")
DATABASE_SCHEMES = ("postgresql", "mysql", "mssql")

# Its notes on every table made and every monitor started are not about the user's work.
logging.getLogger("mlflow").setLevel(logging.WARNING)


@contextmanager
def open_store(tracking: TrackingConfig) -> Iterator[MlflowClient]:
    """A client for the tracking store.

    Raises:
        ConfigError: in one line, for whatever goes wrong with the store in the block.
    """
    given = f"tracking.tracking_uri={tracking.tracking_uri}"
    uri = checked_uri(tracking.tracking_uri)
    try:
        if uri.startswith(SQLITE):
            make_database(Path(uri.removeprefix(SQLITE)))
        yield MlflowClient(uri)
    except (MlflowException, SQLAlchemyError, OSError) as error:
        reason = first_line(error)
        if "out-of-date database schema" in reason:
            raise ConfigError(
                f"{given}: written by an older MLflow; back it up, then: mlflow db upgrade {uri}"
            ) from error
        raise ConfigError(f"{given}: MLflow cannot use it: {reason}") from error


def run_to_resume(client: MlflowClient, run_id: str | None) -> Run | None:
    """The run of this id, or None if there is none or it was deleted."""
    if run_id is None:
        return None
    try:
        run = client.get_run(run_id)
    except MlflowException as error:
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            return None
        raise
    return run if run.info.lifecycle_stage == "active" else None


def experiment_id(client: MlflowClient, tracking: TrackingConfig) -> str:
    """The id of the experiment of this name, which is created if there is none.

    Raises:
        ConfigError: if it was deleted, or if its artifact folder is gone.
    """
    name, wanted = tracking.experiment, _artifact_location(tracking)
    experiment = client.get_experiment_by_name(name)
    if experiment is None:
        try:
            return str(client.create_experiment(name, artifact_location=wanted, tags=TRAINING_EXPERIMENT))
        except MlflowException:
            experiment = client.get_experiment_by_name(name)  # another process may have created it a moment ago
            if experiment is None:
                raise
    if experiment.lifecycle_stage != "active":
        raise ConfigError(
            f"tracking.experiment={name}: it was deleted; choose another name, or: MLFLOW_TRACKING_URI="
            f"{tracking.tracking_uri} mlflow experiments restore --experiment-id {experiment.experiment_id}"
        )
    # MLflow keeps an experiment's artifact folder for ever, and would make it again where the project once was.
    location = local_path(experiment.artifact_location)
    if location and wanted not in (None, experiment.artifact_location) and not location.is_dir():
        raise ConfigError(
            f"tracking.experiment={name}: its artifact folder {location} is gone (was the project moved?); choose "
            f"another name: tracking.experiment={name}-2"
        )
    return str(experiment.experiment_id)


def _artifact_location(tracking: TrackingConfig) -> str | None:
    """None if a server decides."""
    if urlparse(tracking.tracking_uri).scheme in SERVER_SCHEMES:
        return None
    if "://" in tracking.artifact_root:
        return f"{tracking.artifact_root.rstrip('/')}/{tracking.experiment}"
    return (Path(tracking.artifact_root).absolute() / tracking.experiment).as_uri()


def checked_uri(uri: str) -> str:
    """The tracking URI with an absolute path, after checks that MLflow makes late or reports in many lines.

    Raises:
        ConfigError: for a folder, or a server that does not answer.
    """
    scheme = urlparse(uri).scheme.split("+")[0]
    if uri.startswith(SQLITE):
        path = Path(uri.removeprefix(SQLITE).split("?")[0]).absolute()
        if path.is_dir():  # MLflow would try again for 100 seconds
            raise ConfigError(f"tracking.tracking_uri={uri}: {path} is a folder; expected {SQLITE}FILE")
        return f"{SQLITE}{path.as_posix()}"
    if scheme in ("http", "https"):
        _check_server(uri)
    elif scheme not in SERVER_SCHEMES + DATABASE_SCHEMES:
        raise ConfigError(
            f"tracking.tracking_uri={uri}: expected {SQLITE}FILE, http(s)://SERVER or a database "
            f"({', '.join(DATABASE_SCHEMES)}); MLflow no longer takes a folder"
        )
    return uri


def _check_server(uri: str) -> None:
    try:
        with urlopen(f"{uri.rstrip('/')}/health", timeout=10):
            pass
    except HTTPError:
        pass  # a server answers; whether it accepts requests, MLflow finds out
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise ConfigError(
            f"tracking.tracking_uri={uri}: no MLflow server answers ({reason}); start one, or leave the setting out"
        ) from None


def make_database(path: Path) -> None:
    """Make the database if there is none, so that it appears with all of its tables or not at all.

    MLflow makes them one after the other, for seconds, and cannot use a database where it was killed meanwhile.
    """
    if not path.exists():
        with placing(path) as partial:
            MlflowClient(f"{SQLITE}{partial.as_posix()}").search_experiments(max_results=1)


def url_hint(tracking: TrackingConfig, run: Run) -> str:
    """The address of the run's page, after the command that serves the page if no server keeps it."""
    return _page_hint(tracking, f"{run.info.experiment_id}/runs/{run.info.run_id}")


def experiment_hint(tracking: TrackingConfig) -> str:
    """As `url_hint`, for all runs of the experiment."""
    with open_store(tracking) as client:
        return _page_hint(tracking, f"{experiment_id(client, tracking)}/runs")


def page_of(experiment: str, run_id: str) -> str:
    """The address of a run's page in MLflow's own pages, for links from one run to another."""
    return f"#/experiments/{experiment}/runs/{run_id}{TRAINING_VIEW}"


def _page_hint(tracking: TrackingConfig, page: str) -> str:
    uri, place = tracking.tracking_uri, f"#/experiments/{page}{TRAINING_VIEW}"
    if uri.startswith("http"):
        return f"{uri.rstrip('/')}/{place}"
    start = f"mlflow ui --backend-store-uri {uri} --port {UI_PORT}"
    return f"{start}, then open http://127.0.0.1:{UI_PORT}/{place}"


def local_path(uri: str) -> Path | None:
    """The folder on this machine that an artifact URI names, or None."""
    parts = urlparse(uri)
    if parts.scheme == "file":
        return Path(url2pathname(parts.path))
    return Path(uri) if not parts.scheme else None
