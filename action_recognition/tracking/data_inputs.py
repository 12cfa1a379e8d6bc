"""A split of a data set as an input of MLflow runs; scores are linked to it by its name and digest."""

import json
from typing import get_type_hints

from mlflow.entities import Dataset, DatasetInput, InputTag
from mlflow.types import ColSpec, DataType, Schema
from mlflow.utils.mlflow_tags import MLFLOW_DATASET_CONTEXT

from action_recognition.config import Config
from action_recognition.datasets import dataset_of
from action_recognition.datasets.records import ClipRecord, Manifest
from action_recognition.tracking.run_folders import data_title
from action_recognition.utils.redaction import redacted
from action_recognition.utils.rules import split_rules

CONTEXTS = {"train": "training", "val": "validation", "test": "test"}
COLUMN_TYPES = {str: DataType.string, int: DataType.long, float: DataType.double}


def split_input(config: Config, manifest: Manifest, split: str, *, min_frames: int) -> DatasetInput:
    """The usable clips of a split, as MLflow describes a data set.

    MLflow knows a data set by name and digest. The digest is `manifest.data_hash`, which all splits share, so the name
    tells them apart. The schema is the columns of `manifest.csv`.

    Args:
        split: `train`, `val` or `test`.
        min_frames: clips with fewer are not used.
    """
    data, clips = config.data, manifest.split(split, min_frames=min_frames)
    is_shards = dataset_of(data).reads_shards
    profile = {
        "clips": len(clips),
        "source_videos": len({clip.source_video for clip in clips}),
        "classes": len({clip.label for clip in clips}),
    }
    dataset = Dataset(
        name=f"{data_title(data)}: {split}",
        digest=manifest.data_hash,
        source_type="shards" if is_shards else "local",
        source=json.dumps({"uri": redacted(data.shards.url or "") if is_shards else data.videos_dir}),
        schema=json.dumps({"mlflow_colspec": manifest_columns().to_dict()}),
        profile=json.dumps(profile),
    )
    return DatasetInput(dataset, [InputTag(MLFLOW_DATASET_CONTEXT, CONTEXTS[split])])


def manifest_columns() -> Schema:
    kinds = {name: split_rules(hint)[0] for name, hint in get_type_hints(ClipRecord, include_extras=True).items()}
    return Schema([ColSpec(COLUMN_TYPES[kind], name) for name, kind in kinds.items()])
