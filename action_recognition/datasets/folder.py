"""Any videos, one directory per class, split by source video."""

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
    """Your own videos. The first group of `data.source_pattern` is the source video of a file name.

    Without a pattern each file is its own source. Names in HMDB51's form give tags.
    """

    is_downloadable = False
    parse_clip_name = staticmethod(parse_clip_name)

    def assign_splits(self, records: Sequence[ClipRecord], data: DataConfig) -> list[ClipRecord]:
        """Cut off `data.test_fraction` by source video.

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
    if pattern is None:
        return [replace(record, source_video=Path(record.path).stem) for record in records]
    expression = re.compile(pattern)
    if expression.groups < 1:
        raise DataError(f"data.source_pattern={pattern}: has no group; put the source's part in parentheses")
    matches = [expression.search(Path(record.path).stem) for record in records]
    sources = [match[1] or "" if match else "" for match in matches]
    if "" in sources:
        first = Path(records[sources.index("")].path)
        what = "group 1 is empty in" if matches[sources.index("")] else "does not match"
        found = f"it finds a source in {sum(map(bool, sources))} of {len(sources)} file names"
        line = printable(f"data.source_pattern={pattern}: {what} {first.stem!r} ({first}); {found}")
        proposal = propose_pattern(named(records))
        raise DataError(f"{line}; {proposal}" if proposal else line)
    return [replace(record, source_video=source) for record, source in zip(records, sources, strict=True)]
