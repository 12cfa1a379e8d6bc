"""The best checkpoint of a training as a logged model of its MLflow run, with the scores of its epoch."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from mlflow.entities import Metric

from action_recognition.config import Config
from action_recognition.models.module import VideoActionModel
from action_recognition.tracking.data_inputs import split_input
from action_recognition.tracking.logged_models import find_logged_model, log_checkpoint
from action_recognition.tracking.mlflow_run import Tracker
from action_recognition.training.preparation import Training

Row = Mapping[str, float]


def record_model(tracker: Tracker, config: Config, training: Training, checkpoint: Path, rows: Sequence[Row]) -> None:
    """Make the checkpoint a logged model, once; its page shows the scores on training and validation clips.

    Args:
        checkpoint: as it is to be used, calibrated, and among the run's artifacts in `checkpoints/`.
        rows: the epochs of `history.csv`.
    """
    if found := find_logged_model(tracker.client, checkpoint, [tracker.experiment_id]):
        tracker.model_id = found.model_id
    if found or not rows:
        return
    model = log_checkpoint(
        tracker,
        config,
        checkpoint,
        VideoActionModel.from_checkpoint(checkpoint).contract,
        name=tracker.run_name,
        place=f"runs:/{tracker.run_id}/checkpoints/{checkpoint.name}",
        source_run_id=tracker.run_id,
    )
    tracker.model_id = model.model_id
    points = []
    for split in ("train", "val"):
        data = split_input(config, training.manifest, split, min_frames=training.contract.min_frames).dataset
        for name, value in best_row(rows).items():
            if name.startswith(f"{split}_") and (point := _logged(tracker, name, value)):
                of = {"model_id": model.model_id, "dataset_name": data.name, "dataset_digest": data.digest}
                points.append(Metric(name, point.value, point.timestamp, point.step, **of))
    tracker.client.log_batch(tracker.run_id, metrics=points)


def best_row(rows: Sequence[Row]) -> Row:
    """The epoch that `best.ckpt` is of: by validation top-1, without validation by training loss."""
    judged = [row for row in rows if "val_top1" in row]
    return max(judged, key=lambda row: row["val_top1"]) if judged else min(rows, key=lambda row: row["train_loss"])


def _logged(tracker: Tracker, name: str, value: float) -> Metric | None:
    """The point of a curve with this value. Logged again as it is, it does not become a second point of the curve."""
    points = [point for point in tracker.client.get_metric_history(tracker.run_id, name) if point.value == value]
    return points[-1] if points else None
