"""An MLflow run around a command, written by MLflow's client, because the "active run" would be global state."""

import re
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from lightning.pytorch.loggers import MLFlowLogger
from mlflow import MlflowClient
from mlflow.entities import Dataset, Metric, Param, Run, RunTag
from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor
from mlflow.tracking.context.default_context import DefaultRunContext
from mlflow.utils.mlflow_tags import MLFLOW_GIT_BRANCH, MLFLOW_GIT_COMMIT, MLFLOW_GIT_DIRTY
from mlflow.utils.validation import MAX_PARAM_VAL_LENGTH, MAX_TAG_VAL_LENGTH

from action_recognition.config import Config, flatten, to_yaml
from action_recognition.tracking.mlflow_store import experiment_id, open_store, run_to_resume, url_hint
from action_recognition.tracking.run_notes import add_to_note

SYSTEM_METRICS_SECONDS = 10
RECORDED_PACKAGES = ("action-recognition", "torch", "lightning", "mlflow", "numpy", "opencv-python-headless")


class Tracker:
    """One MLflow run that is open; `open_run` makes it.

    `resumed` tells whether it continues an earlier run; `url_hint` is the address of its page, preceded by the command
    that serves the page if no server does. `model_id` is the logged model that the run has made, None before.
    """

    def __init__(self, client: MlflowClient, run: Run, *, resumed: bool, url_hint: str) -> None:
        self.client, self.resumed, self.url_hint = client, resumed, url_hint
        self.tracking_uri = str(client.tracking_uri)
        self.run_id, self.run_name = str(run.info.run_id), str(run.info.run_name)
        self.experiment_id = str(run.info.experiment_id)
        self.artifact_uri = str(run.info.artifact_uri)
        self.model_id: str | None = None

    def lightning_logger(self) -> MLFlowLogger:
        """A logger for Lightning's trainer that writes to this run and lets `open_run` end it."""
        return _RunLogger(tracking_uri=self.tracking_uri, run_id=self.run_id)

    def log_metrics(
        self,
        metrics: Mapping[str, float],
        step: int | None = None,
        *,
        model_id: str | None = None,
        data: Dataset | None = None,
    ) -> None:
        """Log values in one request (of up to 1,000); a character that MLflow does not allow in a name becomes `_`.

        Args:
            model_id: the logged model that they judge, whose page shows them too.
            data: an input of the run on which they were measured.
        """
        now = time.time_ns() // 1_000_000
        of = {"model_id": model_id, "dataset_name": data and data.name, "dataset_digest": data and data.digest}
        values = [
            Metric(re.sub(r"[^\w\-. :/]", "_", name), float(value), now, step or 0, **of)
            for name, value in metrics.items()
        ]
        self.client.log_batch(self.run_id, metrics=values)

    def log_artifact(self, path: Path, folder: str | None = None) -> None:
        """Copy a file, or the content of a directory, to the artifacts."""
        log = self.client.log_artifacts if path.is_dir() else self.client.log_artifact
        log(self.run_id, str(path), folder)

    def log_params(self, params: Mapping[str, object]) -> None:
        """Log parameters that the run does not have yet; MLflow refuses to change one."""
        known = self.client.get_run(self.run_id).data.params
        new = [Param(key, str(value)[:MAX_PARAM_VAL_LENGTH]) for key, value in params.items() if key not in known]
        self.client.log_batch(self.run_id, params=new)

    def set_tags(self, tags: Mapping[str, object]) -> None:
        new = [RunTag(key, str(value)[:MAX_TAG_VAL_LENGTH]) for key, value in tags.items()]
        self.client.log_batch(self.run_id, tags=new)

    def describe(self, parts: Mapping[str, str]) -> None:
        """Set parts of the run's description; see `run_notes.PARTS`."""
        add_to_note(self.client, self.run_id, parts)


class _RunLogger(MLFlowLogger):
    def finalize(self, status: str = "success") -> None:
        """Do nothing. The base class would end the run after `fit`, before checkpoints and test results are logged."""


@contextmanager
def open_run(config: Config, *, tags: Mapping[str, str], resume_run_id: str | None = None) -> Iterator[Tracker]:
    """Start an MLflow run, or continue one, for the duration of the block.

    The run ends as FINISHED, as KILLED if an interrupt or `SystemExit` leaves the block, otherwise as FAILED.

    Args:
        tags: in addition to the versions of the code and the libraries.
        resume_run_id: the run to continue; if it is gone, a new one is started.

    Raises:
        ConfigError: if the tracking store cannot be used.
    """
    tracker = _start(config, resume_run_id)
    monitor = None
    try:
        tracker.set_tags({**code_tags(Path(__file__).parents[1]), **_version_tags(), **tags})
        tracker.log_params(flatten(config))
        name = f"config-resumed-{datetime.now():%Y%m%d-%H%M%S}.yaml" if tracker.resumed else "config.yaml"
        tracker.client.log_text(tracker.run_id, to_yaml(config), name)
        if config.tracking.system_metrics:
            monitor = SystemMetricsMonitor(
                tracker.run_id,
                sampling_interval=SYSTEM_METRICS_SECONDS,
                resume_logging=tracker.resumed,
                tracking_uri=tracker.tracking_uri,
            )
            monitor.start()
        yield tracker
    except BaseException as error:
        with suppress(Exception):  # the first error is the one to report
            _end(tracker, monitor, _status_after(error))
        raise
    _end(tracker, monitor, "FINISHED")


def _start(config: Config, resume_run_id: str | None) -> Tracker:
    with open_store(config.tracking) as client:
        run = run_to_resume(client, resume_run_id)
        if resumed := run is not None:
            client.update_run(run.info.run_id, status="RUNNING")
        else:
            default_name = f"{config.data.name}-{config.model.network}-{datetime.now():%Y%m%d-%H%M%S}"
            run = client.create_run(
                experiment_id(client, config.tracking),
                tags=DefaultRunContext().tags(),
                run_name=config.tracking.run_name or default_name,
            )
    return Tracker(client, run, resumed=resumed, url_hint=url_hint(config.tracking, run))


def _end(tracker: Tracker, monitor: SystemMetricsMonitor | None, status: str) -> None:
    if monitor is not None:
        monitor.finish()
        monitor.collect_metrics()  # so that a run shorter than the interval has a sample too
        monitor.publish_metrics(monitor.aggregate_metrics())
        monitor.mlflow_logger.flush()
    tracker.client.set_terminated(tracker.run_id, status)


def _status_after(error: BaseException) -> str:
    # Lightning turns Ctrl-C into SystemExit(1) and SIGTERM into a subclass of SystemExit.
    if isinstance(error, SystemExit) and error.code in (None, 0):
        return "FINISHED"
    return "KILLED" if isinstance(error, KeyboardInterrupt | SystemExit | GeneratorExit) else "FAILED"


def code_tags(directory: Path) -> dict[str, str]:
    """Commit, branch, and whether tracked files differ from the commit.

    Empty outside a git repository. Also empty if git ignores the directory, because a package in a project's `.venv` is
    not part of that project's commits.
    """
    commit = _git(directory, "rev-parse", "HEAD")
    if commit is None or _git(directory, "check-ignore", "."):
        return {}
    return {
        MLFLOW_GIT_COMMIT: commit,
        MLFLOW_GIT_BRANCH: _git(directory, "rev-parse", "--abbrev-ref", "HEAD") or "",
        MLFLOW_GIT_DIRTY: str(bool(_git(directory, "status", "--porcelain", "--untracked-files=no"))).lower(),
    }


def _git(directory: Path, *words: str) -> str | None:
    try:
        done = subprocess.run(["git", *words], cwd=directory, capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _version_tags() -> dict[str, str]:
    tags = {}
    for package in RECORDED_PACKAGES:
        with suppress(PackageNotFoundError):
            tags[f"version.{package}"] = version(package)
    return tags
