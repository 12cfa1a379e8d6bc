"""Packing a trained model with the code that runs it, and putting it where MLflow finds it."""

import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import mlflow.pyfunc
from mlflow.environment_variables import MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR
from mlflow.exceptions import MlflowException
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema
from mlflow.types.schema import Map

import action_recognition
from action_recognition.errors import ConfigError, first_line
from action_recognition.inference.backends import load_backend
from action_recognition.tracking.logged_models import add_files, note_version
from action_recognition.tracking.mlflow_run import Tracker
from action_recognition.utils.folders import replacing_folder

ARTIFACT_FOLDER = "model"
ALIAS = "champion"  # "latest" is reserved by MLflow for the newest version
DESCRIPTION = (
    "Labels the action in a video. A request has the bytes of a video file, base64-encoded, in the column `video`; the "
    "answer has its label, whether that is too improbable for an answer (`none_of_these`), and the probability of "
    "every class. The alias `champion` is the newest version."
)
CODE = Path(__file__).with_name("pyfunc_model.py")
PACKAGES = ("mlflow", "numpy", "pandas", "opencv-python-headless", "rich")
PACKAGES_OF_KIND = {  # onnxruntime comes in one of two distributions
    "onnx": ("onnxruntime-gpu", "onnxruntime"),
    "torch": ("torch", "lightning", "torchmetrics", "hydra-core"),
}

logging.getLogger("mlflow").setLevel(logging.WARNING)


def save_servable(
    directory: Path,
    *,
    onnx_path: Path | None,
    checkpoint: Path,
    batch_size: int = 8,
    overlap: float = 0.0,
    device: str = "auto",
) -> Path:
    """Write an MLflow model to `directory`; what was there is replaced once the new one is whole.

    Args:
        onnx_path: the exported model, preferred because a server needs little else to run it.
        checkpoint: taken where there is no ONNX file.
        batch_size: windows of a video that go through the model at once.
        overlap: share of a window that the next one repeats.
        device: `auto`, `cpu` or `cuda`.

    Raises:
        ContractError: if the model file carries no clip contract.
    """
    kind, model_path = ("onnx", onnx_path) if onnx_path is not None else ("torch", checkpoint)
    contract = load_backend(model_path, kind=kind, device="cpu").contract
    with replacing_folder(directory, may_replace=lambda path: True) as partial, _quietly():  # noqa: ARG005
        mlflow.pyfunc.save_model(
            path=str(partial),
            python_model=str(CODE),
            artifacts={"model": str(model_path.resolve())},
            code_paths=[str(Path(action_recognition.__file__).parent)],
            signature=make_signature(),
            pip_requirements=_requirements(kind),
            model_config={"backend": kind, "device": device, "batch_size": batch_size, "overlap": overlap},
            metadata={"clip_contract": contract.to_dict()},
        )
    return directory


def make_signature() -> ModelSignature:
    """A server takes the bytes of a video, and answers as `pyfunc_model` says."""
    return ModelSignature(
        inputs=Schema([ColSpec(DataType.binary, "video")]),
        outputs=Schema(
            [
                ColSpec(DataType.string, "label"),
                ColSpec(DataType.boolean, "none_of_these"),
                ColSpec(Map(DataType.double), "probabilities"),
            ]
        ),
        params=ParamSchema([ParamSpec("top_k", DataType.long, 0)]),
    )


def log_servable(
    tracker: Tracker,
    directory: Path,
    registered_model: str | None,
    *,
    description: str = "",
    tags: Mapping[str, str] | None = None,
) -> str:
    """Copy a servable model to the run's artifacts and to its logged model, and register it.

    In MLflow 3 a model is no artifact of a run any more. It lies in both, because `mlflow models serve -m
    <run>/artifacts/model` and `runs:/<run>/model` need the first, and MLflow's page of models shows the second.

    Args:
        registered_model: name in the registry, where the alias `champion` moves to this version; None for none.
        description: of the version, in Markdown.
        tags: of the version, such as its scores.

    Returns:
        A URI to load it by: `models:/<name>@champion`, or `models:/<id>` if it was not registered.

    Raises:
        ConfigError: if the registry does not take the name.
    """
    tracker.log_artifact(directory, ARTIFACT_FOLDER)
    client, model = tracker.client, add_files(tracker, directory)
    if not registered_model:
        return f"models:/{model.model_id}"
    try:
        if not client.search_registered_models(f"name = '{registered_model}'"):
            client.create_registered_model(registered_model, description=DESCRIPTION)
        made = client.create_model_version(
            registered_model,
            model.artifact_location,
            run_id=tracker.run_id,
            tags=dict(tags or {}),
            description=description,
            model_id=model.model_id,
        )
        client.set_registered_model_alias(registered_model, ALIAS, made.version)
        note_version(client, model.model_id, registered_model, made.version)
    except MlflowException as error:
        reason = f"MLflow cannot register it: {first_line(error)}"
        raise ConfigError(f"tracking.registered_model={registered_model}: {reason}") from None
    return f"models:/{registered_model}@{ALIAS}"


@contextmanager
def _quietly() -> Iterator[None]:
    """Without hints about type annotations and examples (the signature is explicit) and a bar for copying one file."""
    bar = MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        shown = bar.get_raw()
        bar.set(False)
        try:
            yield
        finally:
            bar.unset() if shown is None else bar.set(shown)


def _requirements(kind: str) -> list[str]:
    """What the copied code imports, as installed here; MLflow's own guess would run the model to find out."""
    pinned = []
    for name in (*PACKAGES, *PACKAGES_OF_KIND[kind]):
        with suppress(PackageNotFoundError):
            pinned.append(f"{name}=={version(name)}")
    return pinned
