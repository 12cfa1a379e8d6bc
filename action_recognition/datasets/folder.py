"""Any videos, a directory per class: the split is cut here, by source video."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from action_recognition.config import DataConfig
from action_recognition.datasets.source_videos import named, propose_pattern
from action_recognition.datasets.splits import cut_by_source
from action_recognition.errors import DataError
from action_recognition.utils.text import printable

if TYPE_CHECKING:
    from action_recognition.datasets.records import ClipRecord


def assign_folder_splits(records: Sequence[ClipRecord], data: DataConfig) -> list[ClipRecord]:
    """Set source and split (train or test) of videos that come without official lists.

    `data.source_pattern` is searched in the file name's stem; its first group is the source. Without a pattern each
    file is a source of its own.

    Raises:
        DataError: if the pattern has no group, or does not find a source in every file name.
    """
    sourced = _with_sources(records, data.source_pattern)
    sources: dict[str, list[str]] = {}
    for record in sourced:
        sources.setdefault(record.label, []).append(record.source_video)
    cut = cut_by_source(sources, fraction=data.test_fraction, seed=data.split_seed, purpose="test")
    return [replace(r, split="test" if r.source_video in cut[r.label] else "train") for r in sourced]


def _with_sources(records: Sequence[ClipRecord], pattern: str | None) -> list[ClipRecord]:
    names = [Path(record.path).stem for record in records]
    if pattern is None:
        return [replace(record, source_video=name) for record, name in zip(records, names, strict=True)]
    expression = re.compile(pattern)
    if expression.groups < 1:
        raise DataError(f"data.source_pattern={pattern}: has no group; put the source's part in parentheses")
    matches = [expression.search(name) for name in names]
    # A group that takes part in no match, or matches nothing, finds no source.
    sources = [match[1] or "" if match else "" for match in matches]
    if "" in sources:
        first = sources.index("")
        what = "group 1 is empty in" if matches[first] else "does not match"
        found = f"it finds a source in {sum(map(bool, sources))} of {len(sources)} file names"
        proposal = propose_pattern(named(records))
        raise DataError(
            printable(f"data.source_pattern={pattern}: {what} {names[first]!r} ({records[first].path}); {found}")
            + (f"; {proposal}" if proposal else "")
        )
    return [replace(record, source_video=source) for record, source in zip(records, sources, strict=True)]
