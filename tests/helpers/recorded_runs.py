"""Training runs and evaluations in MLflow, as the commands leave them, and as `RunRecord` without MLflow."""

import functools
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag

from action_recognition.config import flatten, load_config
from action_recognition.studies.records import RunRecord, Scores

START = 1_760_000_000_000
DAY = 86_400_000


@functools.cache
def params(*overrides: str) -> dict[str, str]:
    """The parameters that MLflow stores for a configuration."""
    return {key: str(value) for key, value in flatten(load_config(overrides)).items()}


def run_record(name: str = "run", *overrides: str, test: Scores | None = None, **values: object) -> RunRecord:
    """A run of the planned 20 epochs, with 20 steps of half a second each."""
    plain = {"epochs": 20, "steps_per_epoch": 20.0, "seconds": 200.0, "epoch_seconds": (), "tags": {}, "facts": {}}
    started = datetime.fromtimestamp(START / 1000, UTC)
    fixed = {"run_id": name, "name": name, "experiment": "demo", "started": started, "status": "FINISHED", "val": None}
    return RunRecord(**fixed, params=params(*overrides), test=test, **(plain | values))


def experiment_id(client: MlflowClient, name: str) -> str:
    found = client.get_experiment_by_name(name)
    return found.experiment_id if found else client.create_experiment(name)


def add_run(
    client: MlflowClient,
    name: str,
    *overrides: str,
    number: int = 0,
    epochs: int = 10,
    val_top1: Sequence[float] = (0.2, 0.4, 0.3),
    tags: Mapping[str, str] | None = None,
    experiment: str = "demo",
    status: str = "FINISHED",
    with_facts: bool = True,
) -> str:
    """A training run as `train-ml-flow` leaves it: epochs of one second, started `number` days after the first."""
    start = START + number * DAY
    run = client.create_run(experiment_id(client, experiment), start_time=start, run_name=name)
    facts = {"epochs": epochs, "train_seconds": epochs, "steps_per_epoch": 20} if with_facts else {}
    metrics = {"epoch": epochs - 1, **{f"run/{key}": value for key, value in facts.items()}}
    points = [Metric(key, value, start, 0) for key, value in metrics.items()]
    points += [Metric("train_loss", 1.0, start + 1000 * (step + 1), step) for step in range(epochs)]
    points += [Metric("val_top1", value, start + step, step) for step, value in enumerate(val_top1)]
    labels = {"command": "train-ml-flow", **({"device": "CPU A"} if with_facts else {}), **(tags or {})}
    client.log_batch(run.info.run_id, metrics=points, tags=[RunTag(*item) for item in labels.items()])
    logged = [Param(*item) for item in params(*overrides).items()]
    for first in range(0, len(logged), 100):
        client.log_batch(run.info.run_id, params=logged[first : first + 100])
    client.set_terminated(run.info.run_id, status, start + 1000 * (epochs + 7))
    return str(run.info.run_id)


def add_evaluation(
    client: MlflowClient,
    top1: float,
    *,
    tags: Mapping[str, str],
    number: int = 50,
    split: str = "test",
    hits: Mapping[str, bool] | None = None,
) -> str:
    """An evaluation as `infer-ml-flow` leaves it, with `hits` (by clip, two of one source video) as its predictions."""
    run = client.create_run(experiment_id(client, "elsewhere"), start_time=START + number * DAY)
    scores = {"top1": top1, "top3": top1 + 0.2, "top1_low": top1 - 0.1, "top1_high": top1 + 0.1, "clips": 90}
    client.log_batch(
        run.info.run_id,
        metrics=[Metric(f"test_{name}", value, START, 0) for name, value in scores.items()],
        params=[Param("evaluation.split", split), Param("evaluation.allow_leakage", "False")],
        tags=[RunTag(*item) for item in {"command": "infer-ml-flow", **tags}.items()],
    )
    if hits:
        rows = [f"{clip},{clip[:-1]},x,{'x' if hit else 'y'},1.0" for clip, hit in hits.items()]
        text = "\n".join(["path,source,label,predicted,probability", *rows])
        client.log_text(run.info.run_id, text, "predictions.csv")
    client.set_terminated(run.info.run_id)
    return str(run.info.run_id)
