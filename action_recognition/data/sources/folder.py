"""Any videos, a directory per class: the split is cut here, by source video."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from action_recognition.config import DataConfig
from action_recognition.data.splits import cut_by_source
from action_recognition.errors import DataError

if TYPE_CHECKING:
    from action_recognition.data.manifest import ClipRecord


def assign_folder_splits(records: Sequence[ClipRecord], data: DataConfig) -> list[ClipRecord]:
    """Set source and split (train or test) of videos that come without official lists.

    `data.source_pattern` is searched in the file name's stem; its first group is the source. Without a pattern each
    file is a source of its own.

    Raises:
        DataError: if the pattern has no group, or does not match a file name.
    """
    sourced = [replace(record, source=_source(record, data.source_pattern)) for record in records]
    sources: dict[str, list[str]] = {}
    for record in sourced:
        sources.setdefault(record.label, []).append(record.source)
    cut = cut_by_source(sources, fraction=data.test_fraction, seed=data.split_seed, purpose="test")
    return [replace(r, split="test" if r.source in cut[r.label] else "train") for r in sourced]


def _source(record: ClipRecord, pattern: str | None) -> str:
    stem = Path(record.path).stem
    if pattern is None:
        return stem
    if re.compile(pattern).groups < 1:
        raise DataError(f"data.source_pattern={pattern}: has no group; put the source's part in parentheses")
    match = re.search(pattern, stem)
    if match is None:
        raise DataError(f"data.source_pattern={pattern}: does not match {record.path}")
    return match[1]
