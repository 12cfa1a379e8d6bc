"""Any videos, one directory per class: the split is cut here, by source video."""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from action_recognition.config import DataConfig
from action_recognition.datasets.class_folders import VideoFolders
from action_recognition.datasets.hmdb51 import parse_clip_name
from action_recognition.datasets.records import ClipRecord, Manifest
from action_recognition.datasets.source_videos import named, propose_pattern, unknown_sources_line
from action_recognition.datasets.splits import split_off
from action_recognition.errors import DataError
from action_recognition.utils.text import printable


class Folder(VideoFolders):
    """One's own videos. `data.source_pattern` finds the source video in a file name; its first group is the source.

    Without a pattern each file is a source of its own. Names in HMDB51's form give tags.
    """

    is_downloadable = False
    parse_clip_name = staticmethod(parse_clip_name)

    def assign_splits(self, records: Sequence[ClipRecord], data: DataConfig) -> list[ClipRecord]:
        """Cut `data.test_fraction` off, by source video.

        Raises:
            DataError: if the pattern has no group, or does not find a source in every file name.
        """
        train = [replace(record, split="train") for record in _with_sources(records, data.source_pattern)]
        return split_off(train, into="test", fraction=data.test_fraction, seed=data.split_seed)

    def unknown_sources(self, records: Sequence[ClipRecord], data: DataConfig) -> str:
        return "" if data.source_pattern else unknown_sources_line(records, "file", self.source_noun)

    def split_remarks(self, manifest: Manifest, data: DataConfig) -> list[str]:
        unknown = self.unknown_sources(manifest.records, data)
        return [unknown] if unknown else []


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
