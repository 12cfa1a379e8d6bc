"""Checkpoints as logged models of MLflow 3, which have a page of their own: parameters, files, scores by data set."""

import hashlib
import json
import re
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from mlflow import MlflowClient
from mlflow.entities import LoggedModel, LoggedModelOutput
from mlflow.models import Model
from mlflow.models.model import MLMODEL_FILE_NAME
from mlflow.tracking.context.default_context import DefaultRunContext
from mlflow.utils.mlflow_tags import MLFLOW_MODEL_IS_EXTERNAL, MLFLOW_MODEL_VERSIONS, MLFLOW_RUN_NOTE
from mlflow.utils.validation import MAX_PARAM_VAL_LENGTH

from action_recognition.config import Config, training_settings
from action_recognition.contract import ClipContract
from action_recognition.tracking.mlflow_run import Tracker
from action_recognition.tracking.run_folders import data_title

MODEL_TYPE = "video action recognition"
CHECKPOINT, DIGEST = "checkpoint", "checkpoint_sha256"


def log_checkpoint(
    tracker: Tracker,
    config: Config,
    checkpoint: Path,
    contract: ClipContract,
    *,
    name: str,
    place: str,
    source_run_id: str | None,
) -> LoggedModel:
    """A logged model for a checkpoint, whose file stays where it is.

    `serving.servable.log_servable` may add files by which MLflow can serve it.

    Args:
        config: that it was trained with.
        name: of the model; a character that MLflow does not allow becomes `-`.
        place: where the checkpoint is to be had, `runs:/RUN_ID/checkpoints/best.ckpt` or a path.
        source_run_id: the run that trained it; None if that was not recorded.
    """
    client = tracker.client
    model = client.create_logged_model(
        tracker.experiment_id,
        name=_allowed(name),
        source_run_id=source_run_id,
        params=model_params(config, contract),
        tags={
            **DefaultRunContext().tags(),
            MLFLOW_RUN_NOTE: f"{describe_model(config, contract)}; checkpoint: `{place}`",
            CHECKPOINT: place,
            DIGEST: _sha256(checkpoint),
            MLFLOW_MODEL_IS_EXTERNAL: "true",
        },
        model_type=MODEL_TYPE,
    )
    metadata = {MLFLOW_MODEL_IS_EXTERNAL: True, CHECKPOINT: place, "clip_contract": contract.to_dict()}
    spec = Model(
        artifact_path=model.artifact_location,
        model_id=model.model_id,
        model_uuid=model.model_id,
        run_id=source_run_id,
        metadata=metadata,
    )
    with TemporaryDirectory() as folder:
        spec.save(str(Path(folder, MLMODEL_FILE_NAME)))
        client.log_model_artifacts(model.model_id, folder)
    if source_run_id == tracker.run_id:
        client.log_outputs(tracker.run_id, [LoggedModelOutput(model.model_id, step=0)])
    return client.finalize_logged_model(model.model_id, "READY")


def describe_model(config: Config, contract: ClipContract) -> str:
    """`cnn3d on hmdb51, split 1: 51 classes; 16 frames at stride 2, 112 x 112 pixels`."""
    clip = f"{contract.frames} frames at stride {contract.stride}, {contract.size} x {contract.size} pixels"
    return f"{config.model.network} on {data_title(config.data)}: {contract.num_classes} classes; {clip}"


def add_files(tracker: Tracker, folder: Path) -> LoggedModel:
    """Put an MLflow model (its `MLmodel` and the rest) into the run's logged model, which is made if there is none."""
    client = tracker.client
    if tracker.model_id is None:
        name = _allowed(tracker.run_name)
        made = client.create_logged_model(tracker.experiment_id, name, tracker.run_id, model_type=MODEL_TYPE)
        client.log_outputs(tracker.run_id, [LoggedModelOutput(made.model_id, step=0)])
        tracker.model_id = made.model_id
    client.log_model_artifacts(tracker.model_id, str(folder))
    client.set_logged_model_tags(tracker.model_id, {MLFLOW_MODEL_IS_EXTERNAL: "false"})
    return client.finalize_logged_model(tracker.model_id, "READY")


def note_version(client: MlflowClient, model_id: str, name: str, version: str) -> None:
    """Note at a logged model that it was registered, as MLflow's server does; its client on a database does not."""
    known = json.loads(client.get_logged_model(model_id).tags.get(MLFLOW_MODEL_VERSIONS, "[]"))
    entry = {"name": name, "version": version}
    if entry not in known:
        client.set_logged_model_tags(model_id, {MLFLOW_MODEL_VERSIONS: json.dumps([*known, entry])})


def model_params(config: Config, contract: ClipContract) -> dict[str, str]:
    """What a model was trained with, of what may change its scores; and what its contract says beside that."""
    values = {key: value for key, value in training_settings(config).items() if value is not None}
    values |= {"classes": contract.num_classes, "temperature": contract.temperature, "threshold": contract.threshold}
    return {key: str(value)[:MAX_PARAM_VAL_LENGTH] for key, value in values.items()}


def find_logged_model(client: MlflowClient, checkpoint: Path, experiment_ids: Sequence[str]) -> LoggedModel | None:
    """The newest logged model of a checkpoint with these bytes, or None."""
    query = f"tags.{DIGEST} = '{_sha256(checkpoint)}'"
    order = [{"field_name": "creation_timestamp", "ascending": False}]
    found = client.search_logged_models(list(experiment_ids), query, max_results=1, order_by=order)
    return found[0] if found else None


def _allowed(name: str) -> str:
    return re.sub(r"[/:.%\"']", "-", name)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
