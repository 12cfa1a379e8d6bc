"""MLflow's tracking URIs, experiments and artifact folders, with checks that MLflow lacks or makes late."""

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
# MLflow 3.17 opens its pages on traces of language models; these two make it show training runs.
TRAINING_VIEW = "?workflowType=machine_learning"
TRAINING_EXPERIMENT = {"mlflow.experimentKind": "custom_model_development"}
SQLITE = "sqlite:///"
SERVER_SCHEMES = ("http", "https", "databricks", "databricks-uc")
DATABASE_SCHEMES = ("postgresql", "mysql", "mssql")

logging.getLogger("mlflow").setLevel(logging.WARNING)  # it reports every table it makes and every monitor it starts


@contextmanager
def open_store(tracking: TrackingConfig) -> Iterator[MlflowClient]:
    """A client for the tracking store. Errors of the store in the block are raised as `ConfigError`, in one line."""
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
    """The run with this id, or None if there is none or it was deleted."""
    try:
        run = client.get_run(run_id) if run_id else None
    except MlflowException as error:
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            return None
        raise
    return run if run and run.info.lifecycle_stage == "active" else None


def experiment_id(client: MlflowClient, tracking: TrackingConfig) -> str:
    """The id of `tracking.experiment`, which is created if there is none.

    Raises:
        ConfigError: if the experiment was deleted, or its artifact folder is gone.
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
            f"tracking.experiment={name}: deleted; choose another name, or: MLFLOW_TRACKING_URI="
            f"{tracking.tracking_uri} mlflow experiments restore --experiment-id {experiment.experiment_id}"
        )
    # MLflow never changes an experiment's artifact folder, and would make it again at the project's old place.
    location = local_path(experiment.artifact_location)
    if location and wanted not in (None, experiment.artifact_location) and not location.is_dir():
        raise ConfigError(
            f"tracking.experiment={name}: its artifact folder {location} is gone (was the project moved?); choose "
            f"another name: tracking.experiment={name}-2"
        )
    return str(experiment.experiment_id)


def _artifact_location(tracking: TrackingConfig) -> str | None:
    """None if a server chooses the place."""
    if urlparse(tracking.tracking_uri).scheme in SERVER_SCHEMES:
        return None
    if "://" in tracking.artifact_root:
        return f"{tracking.artifact_root.rstrip('/')}/{tracking.experiment}"
    return (Path(tracking.artifact_root).absolute() / tracking.experiment).as_uri()


def checked_uri(uri: str, name: str = "tracking.tracking_uri") -> str:
    """The tracking URI with an absolute path; `ConfigError` for a folder or a server that does not answer.

    Args:
        name: of the setting that it comes from, for messages.
    """
    scheme = urlparse(uri).scheme.split("+")[0]
    if uri.startswith(SQLITE):
        path = Path(uri.removeprefix(SQLITE).split("?")[0]).absolute()
        if path.is_dir():  # MLflow would try again for 100 seconds
            raise ConfigError(f"{name}={uri}: {path} is a folder; expected {SQLITE}FILE")
        return f"{SQLITE}{path.as_posix()}"
    if scheme in ("http", "https"):
        try:
            urlopen(f"{uri.rstrip('/')}/health", timeout=10).close()
        except HTTPError:
            pass  # a server answers; MLflow will find out whether it accepts requests
        except (OSError, ValueError) as error:
            reason = getattr(error, "reason", error)
            raise ConfigError(
                f"{name}={uri}: no MLflow server answers ({reason}); start one, or omit this setting"
            ) from None
    elif scheme not in SERVER_SCHEMES + DATABASE_SCHEMES:
        raise ConfigError(
            f"{name}={uri}: expected {SQLITE}FILE, http(s)://SERVER or a database "
            f"({', '.join(DATABASE_SCHEMES)}); MLflow no longer takes a folder"
        )
    return uri


def make_database(path: Path) -> None:
    """Make the database if there is none; it appears with all of its tables or not at all.

    MLflow takes seconds to make them one by one, and cannot use a database in which it was killed meanwhile.
    """
    if not path.exists():
        with placing(path) as partial:
            MlflowClient(f"{SQLITE}{partial.as_posix()}").search_experiments(max_results=1)


def url_hint(tracking: TrackingConfig, run: Run) -> str:
    """The address of the run's page, preceded by the command that serves the page if no server does."""
    return _hint(tracking, page_of(run.info.experiment_id, run.info.run_id))


def experiment_hint(tracking: TrackingConfig) -> str:
    """Like `url_hint`, for all runs of the experiment."""
    with open_store(tracking) as client:
        return _hint(tracking, f"#/experiments/{experiment_id(client, tracking)}/runs{TRAINING_VIEW}")


def page_of(experiment: str, run_id: str) -> str:
    """The address of a run's page within MLflow's UI, for links from one run to another."""
    return f"#/experiments/{experiment}/runs/{run_id}{TRAINING_VIEW}"


def _hint(tracking: TrackingConfig, page: str) -> str:
    uri = tracking.tracking_uri
    if uri.startswith("http"):
        return f"{uri.rstrip('/')}/{page}"
    start = f"mlflow ui --backend-store-uri {uri} --port {UI_PORT}"
    return f"{start}, then open http://127.0.0.1:{UI_PORT}/{page}"


def local_path(uri: str) -> Path | None:
    """The folder on this machine that an artifact URI names, or None."""
    parts = urlparse(uri)
    if parts.scheme:
        return Path(url2pathname(parts.path)) if parts.scheme == "file" else None
    return Path(uri)
