"""Clips that a model must not be judged or calibrated on."""

from collections.abc import Sequence

from action_recognition.datasets.records import ClipRecord, group_digests
from action_recognition.models.module import VideoActionModel


def leaking_clips(records: Sequence[ClipRecord], model: VideoActionModel) -> list[ClipRecord]:
    """Clips of source videos that a model was trained on."""
    trained = set(model.hparams["provenance"].get("train_groups", ()))
    return [record for record in records if group_digests([record])[0] in trained]
