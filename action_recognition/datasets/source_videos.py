"""Proposing a pattern that finds source videos in file names.

A split keeps clips of one source on one side. If sources are not known, every file is its own source, nothing leaks by
definition, and scores can be far too good.
"""

import re
import shlex
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from action_recognition.datasets.records import ClipRecord
from action_recognition.utils.text import printable

SEPARATORS = "_-. "
MOST_PARTS = 4  # parts of a name in a proposed source
Named = tuple[str, str]  # class and file stem of a clip


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """A value for `data.source_pattern`.

    Attributes:
        sources: how many sources it finds; `example` is one of them.
        shared: files that share their source with another file.
        across: files of several classes share sources, not only files of one class.
    """

    pattern: str
    sources: int
    example: str
    shared: int
    across: bool

    def __str__(self) -> str:
        who = "files of several classes" if self.across else "files of one class"
        return (
            f"{who} share prefixes such as {self.example!r}: try data.source_pattern={shlex.quote(self.pattern)}, "
            f"which finds {self.sources} sources"
        )


def unknown_sources_line(records: Sequence[ClipRecord], what: str, noun: str) -> str:
    """One line: each clip, called `what`, counts as its own source, called `noun`; with a pattern to try."""
    hint = propose_pattern(named(records)) or "the names share no prefixes that a pattern could find"
    return printable(
        f"sources are not known: without data.source_pattern each of the {len(records)} {what}s counts as its own "
        f"{noun}, so clips of one scene or person may be on both sides of the split, and scores may be too good; {hint}"
    )


def named(records: Sequence[ClipRecord]) -> list[Named]:
    return [(record.label, PurePosixPath(record.path).stem) for record in records]


def propose_pattern(clips: Sequence[Named]) -> Proposal | None:
    """The pattern whose sources are most probably real.

    Files of several classes with a common prefix mostly come from one video or person. The result is the finest pattern
    by which at least half of the files share a prefix across classes, or else within their class.
    """
    found = [measured for pattern in _candidates(clips) if (measured := _measured(pattern, clips))]
    good = [one for one in found if 2 * one.shared >= len(clips)]
    return max(good, key=lambda one: (one.across, one.sources), default=None)


def _candidates(clips: Sequence[Named]) -> Iterator[str]:
    """The name before its class; the first parts of the name; the name without its last number."""
    labels = sorted({label for label, _ in clips}, key=len, reverse=True)
    if len(labels) <= 100:  # a longer pattern helps nobody
        yield f"^(.+?)[_-](?:{'|'.join(map(re.escape, labels))})(?:[_-]|$)"
    for separator in SEPARATORS:
        if any(separator in name for _, name in clips):
            part = f"[^{re.escape(separator)}]+"
            for count in range(1, MOST_PARTS + 1):
                yield f"^({re.escape(separator).join([part] * count)}){re.escape(separator)}"
    yield r"^(.+?)[_. -]*\d+$"


def _measured(pattern: str, clips: Sequence[Named]) -> Proposal | None:
    """How well a pattern groups the clips; None if it does not match all, or a class has only one source."""
    expression = re.compile(pattern)
    sources = [match[1] for _, name in clips if (match := expression.search(name))]
    if len(sources) < len(clips):
        return None
    classes_of: dict[str, set[str]] = defaultdict(set)
    sources_of: dict[str, set[str]] = defaultdict(set)
    for (label, _), source in zip(clips, sources, strict=True):
        classes_of[source].add(label)
        sources_of[label].add(source)
    if any(len(found) < 2 for found in sources_of.values()):
        return None
    sizes = Counter(sources)
    by_class = [source for source in sources if len(classes_of[source]) > 1]
    across = 2 * len(by_class) >= len(clips)
    shared = by_class if across else [source for source in sources if sizes[source] > 1]
    if not shared:
        return None
    example = min(shared, key=lambda source: (-sizes[source], source))
    return Proposal(pattern=pattern, sources=len(sizes), example=example, shared=len(shared), across=across)
