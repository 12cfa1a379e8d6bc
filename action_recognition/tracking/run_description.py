"""The description of an MLflow run's network, data and command, and the data sets as its inputs."""

import shlex

from action_recognition.config import Config
from action_recognition.contract import ClipContract
from action_recognition.datasets.records import Manifest
from action_recognition.tracking.data_inputs import CONTEXTS, split_input
from action_recognition.tracking.mlflow_run import Tracker
from action_recognition.tracking.run_folders import data_title
from action_recognition.tracking.run_notes import COMMAND, TRAINING
from action_recognition.utils.program import program
from action_recognition.utils.redaction import redacted_values

# Overrides that name a place or may hold a password. The recorded command leaves them out.
LEFT_OUT = ("data.archive", "data.splits_archive", "data.mirrors", "data.hub", "data.shards.url", "tracking.")


def describe_training(tracker: Tracker, config: Config, manifest: Manifest, contract: ClipContract) -> None:
    """Describe the network, the data and the command; log the splits that it is trained and validated on as inputs."""
    counts = {split: len(manifest.split(split, min_frames=contract.min_frames)) for split in CONTEXTS}
    what = (
        f"{config.model.network} on {data_title(config.data)}: {counts['train']} training, {counts['val']} validation "
        f"and {counts['test']} test clips of {len(contract.class_names)} classes; {contract.frames} frames at stride "
        f"{contract.stride}, {contract.size} x {contract.size} pixels"
    )
    tracker.describe({TRAINING: what, COMMAND: command_line(tracker, config)})
    used = [split for split in ("train", "val") if counts[split]]
    inputs = [split_input(config, manifest, split, min_frames=contract.min_frames) for split in used]
    tracker.client.log_inputs(tracker.run_id, datasets=inputs)


def command_line(tracker: Tracker, config: Config) -> str:
    """The typed command in Markdown, without the overrides in `LEFT_OUT`."""
    command = tracker.client.get_run(tracker.run_id).data.tags.get("command", "train-ml-flow")
    shown = redacted_values(list(config.overrides))
    overrides = [override for override in shown if not override.lstrip("+~").startswith(LEFT_OUT)]
    return f"`{program()} {shlex.join([command, *overrides])}`"
