"""Training runs from MLflow, each with the evaluation of its checkpoint."""

import csv
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.exceptions import MlflowException
from mlflow.store.entities import PagedList

from action_recognition.evaluation.metrics import METRICS, PRIMARY
from action_recognition.tracking.mlflow_store import local_path
from action_recognition.tracking.run_folders import run_dir_of, tracking_of

PAGE = 1000
PREDICTIONS = "predictions.csv"
EVALUATION = "infer-ml-flow"


@dataclass(frozen=True)
class Hit:
    """Whether a clip was labelled correctly, and the source video that it was cut from."""

    hit: bool
    source_video: str


@dataclass(frozen=True, kw_only=True)
class Scores:
    """Scores on `split`.

    Attributes:
        values: the registered metrics that were logged, by name.
        low, high: bounds of the 95 % interval of top-1.
        hits: by clip; empty where the evaluation did not keep its predictions.
    """

    split: str
    values: Mapping[str, float]
    low: float | None = None
    high: float | None = None
    clips: int | None = None
    leaking: bool = False
    hits: Mapping[str, Hit] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """One training run.

    Attributes:
        seconds: of all epochs; of the whole MLflow run where the epochs' times were not logged; None while it runs.
        epoch_seconds: between the ends of consecutive epochs.
        epochs: the number of epochs trained.
        steps_per_epoch: optimisation batches per epoch.
        facts: the `run/...` numbers of `training.run_stats`, without the prefix.
        test: scores of the newest evaluation on the test split, None if there is none.
        val: scores at the epoch with the best validation top-1, None without validation.
    """

    run_id: str
    name: str
    experiment: str
    started: datetime
    status: str
    seconds: float | None
    epoch_seconds: tuple[float, ...]
    epochs: int | None
    steps_per_epoch: float | None
    facts: Mapping[str, float]
    params: Mapping[str, str]
    tags: Mapping[str, str]
    test: Scores | None
    val: Scores | None

    @property
    def scores(self) -> Scores | None:
        """Those on the test split if it was evaluated, else those on validation clips."""
        return self.test or self.val


def is_training(run: Run) -> bool:
    """Whether a run has trained at least one epoch; evaluations and studies have not."""
    return "train_loss" in run.data.metrics and run.data.tags.get("command") != EVALUATION


def search(client: MlflowClient, experiment_ids: Sequence[str], query: str = "") -> list[Run]:
    """All runs that are not deleted, oldest first."""
    found: list[Run] = []
    token = None
    while experiment_ids:
        order = ["attributes.start_time ASC"]
        page: PagedList[Run] = client.search_runs(
            list(experiment_ids), query, max_results=PAGE, order_by=order, page_token=token
        )
        found += page
        token = page.token
        if not token:
            break
    return found


def evaluations(client: MlflowClient) -> dict[str, Run]:
    """The newest finished evaluation on a test split, by the id of the training run that it judged."""
    everywhere = [experiment.experiment_id for experiment in client.search_experiments()]
    newest: dict[str, Run] = {}
    for run in search(client, everywhere, f"tags.command = '{EVALUATION}' and attributes.status = 'FINISHED'"):
        tags, of_test = run.data.tags, run.data.params.get("evaluation.split", "test") == "test"
        trained = tags.get("training_run_id")
        if trained is None and "checkpoint" in tags:  # older evaluations have only the checkpoint's path
            trained = tracking_of(run_dir_of(Path(tags["checkpoint"])))
        if of_test and "test_top1" in run.data.metrics and trained:
            newest[trained] = run
    return newest


def record(client: MlflowClient, run: Run, *, experiment: str, evaluation: Run | None) -> RunRecord:
    """A training run and its evaluation, read from the store."""
    info, logged = run.info, {**run.data.metrics, **run.data.tags}  # earlier runs logged facts as metrics
    facts = {name.removeprefix("run/"): float(value) for name, value in logged.items() if name.startswith("run/")}
    epochs = facts.get("epochs", run.data.metrics["epoch"] + 1 if "epoch" in run.data.metrics else None)
    wall = (info.end_time - info.start_time) / 1000 if info.end_time else None
    # The training loss is logged once per epoch; the first epoch's start is not known.
    ends = sorted(metric.timestamp for metric in client.get_metric_history(info.run_id, "train_loss"))
    return RunRecord(
        run_id=info.run_id,
        name=info.run_name or info.run_id,
        experiment=experiment,
        started=datetime.fromtimestamp(info.start_time / 1000, UTC).astimezone(),
        status=info.status,
        seconds=facts.get("train_seconds", wall),
        epoch_seconds=tuple((after - before) / 1000 for before, after in pairwise(ends)),
        epochs=round(epochs) if epochs is not None else None,
        steps_per_epoch=facts.get("steps_per_epoch"),
        facts=facts,
        params=run.data.params,
        tags=run.data.tags,
        test=_test_scores(client, evaluation) if evaluation else None,
        val=_val_scores(client, run),
    )


def _test_scores(client: MlflowClient, evaluation: Run) -> Scores:
    metrics = evaluation.data.metrics
    clips = evaluation.data.tags.get("test_clips", metrics.get("test_clips"))
    return Scores(
        split="test",
        values={name: metrics[f"test_{name}"] for name in METRICS if f"test_{name}" in metrics},
        low=metrics.get("test_top1_low"),
        high=metrics.get("test_top1_high"),
        clips=round(float(clips)) if clips is not None else None,
        leaking=evaluation.data.params.get("evaluation.allow_leakage") == "True",
        hits=_hits(client, evaluation),
    )


def _hits(client: MlflowClient, evaluation: Run) -> dict[str, Hit]:
    """From the predictions that the evaluation kept; empty where it kept none or they cannot be read."""
    folder = local_path(str(evaluation.info.artifact_uri))
    with TemporaryDirectory() as downloads, suppress(MlflowException, OSError, csv.Error, KeyError, UnicodeDecodeError):
        if folder is None:
            folder = Path(client.download_artifacts(evaluation.info.run_id, PREDICTIONS, downloads)).parent
        with (folder / PREDICTIONS).open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        source = "source_video" if rows and "source_video" in rows[0] else "source"  # its name in earlier evaluations
        return {row["path"]: Hit(row["label"] == row["predicted"], row[source]) for row in rows}
    return {}


def _val_scores(client: MlflowClient, run: Run) -> Scores | None:
    logged = [name for name in METRICS if f"val_{name}" in run.data.metrics]
    if PRIMARY not in logged:
        return None
    histories = {name: client.get_metric_history(run.info.run_id, f"val_{name}") for name in logged}
    best = max(histories[PRIMARY], key=lambda metric: metric.value)
    at_best = {name: metric.value for name in logged for metric in histories[name] if metric.step == best.step}
    return Scores(split="val", values={**at_best, PRIMARY: best.value})
