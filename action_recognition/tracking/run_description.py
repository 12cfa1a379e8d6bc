"""The description of an MLflow run's network, data and command, and the data set as the run's input."""

import json
import shlex

from mlflow.entities import Dataset, DatasetInput, InputTag
from mlflow.utils.mlflow_tags import MLFLOW_DATASET_CONTEXT

from action_recognition.config import Config
from action_recognition.contract import ClipContract
from action_recognition.datasets import dataset_of
from action_recognition.datasets.records import Manifest
from action_recognition.tracking.mlflow_run import Tracker
from action_recognition.tracking.run_folders import data_title
from action_recognition.tracking.run_notes import COMMAND, TRAINING
from action_recognition.utils.program import program
from action_recognition.utils.redaction import redacted, redacted_values

SPLITS = {"train": "training", "val": "validation", "test": "testing"}
# Overrides that name a place or may hold a password. The recorded command leaves them out.
LEFT_OUT = ("data.archive", "data.splits_archive", "data.mirrors", "data.hub", "data.shards.url", "tracking.")


def describe_training(tracker: Tracker, config: Config, manifest: Manifest, contract: ClipContract) -> None:
    """Describe the network, the data and the command; log the data set's three splits as the run's inputs."""
    counts = {split: len(manifest.split(split, min_frames=contract.min_frames)) for split in SPLITS}
    what = (
        f"{config.model.network} on {data_title(config.data)}: {counts['train']} training, {counts['val']} validation "
        f"and {counts['test']} test clips of {len(contract.class_names)} classes; {contract.frames} frames at stride "
        f"{contract.stride}, {contract.size} x {contract.size} pixels"
    )
    tracker.describe({TRAINING: what, COMMAND: command_line(tracker, config)})
    tracker.client.log_inputs(tracker.run_id, datasets=_data_inputs(config, manifest, contract))


def command_line(tracker: Tracker, config: Config) -> str:
    """The typed command in Markdown, without the overrides in `LEFT_OUT`."""
    command = tracker.client.get_run(tracker.run_id).data.tags.get("command", "train-ml-flow")
    shown = redacted_values(list(config.overrides))
    overrides = [override for override in shown if not override.lstrip("+~").startswith(LEFT_OUT)]
    return f"`{program()} {shlex.join([command, *overrides])}`"


def _data_inputs(config: Config, manifest: Manifest, contract: ClipContract) -> list[DatasetInput]:
    """One input per split that has clips. MLflow links a data set to a run once, so each split has its own name."""
    data, inputs = config.data, []
    is_shards = dataset_of(data).reads_shards
    source_type, uri = ("shards", redacted(data.shards.url or "")) if is_shards else ("local", data.videos_dir)
    for split, context in SPLITS.items():
        if clips := manifest.split(split, min_frames=contract.min_frames):
            profile = {"clips": len(clips), "source_videos": len({clip.source_video for clip in clips})}
            dataset = Dataset(
                name=f"{data_title(data)}: {split}",
                digest=manifest.data_hash,
                source_type=source_type,
                source=json.dumps({"uri": uri}),
                profile=json.dumps(profile),
            )
            inputs.append(DatasetInput(dataset, [InputTag(MLFLOW_DATASET_CONTEXT, context)]))
    return inputs
