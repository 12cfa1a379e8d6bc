"""Which clips come from one source video: whether that is known, and a pattern that would find it in file names.

A split keeps clips of one source on one side. Where nothing says which they are, every file is a source of its own,
nothing leaks by definition, and scores can be far too good.
"""

import re
import shlex
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from action_recognition.datasets.base import SourceNoun
from action_recognition.datasets.records import ClipRecord
from action_recognition.utils.text import printable

SEPARATORS = "_-. "
MOST_PARTS = 4  # of a name that a proposed source may have
# (class, name without its suffix) of a clip.
Named = tuple[str, str]


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """A pattern for `data.source_pattern`; `example` is one of its `sources`, `shared` files are not alone in theirs.

    `across` says whether files of several classes share sources; if not, only files of one class do.
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


def unknown_sources_line(records: Sequence[ClipRecord], what: str, noun: SourceNoun) -> str:
    """One line that says that each clip, a `what`, counts as a source of its own, with a pattern that may tell more."""
    proposal = propose_pattern(named(records))
    hint = str(proposal) if proposal else "no prefixes are shared by several of them that a pattern could find"
    return printable(
        f"sources are not known: without data.source_pattern each of the {len(records)} {what}s counts as a {noun.one} "
        "of its own, so clips of one scene or person may stand on both sides of the split, and scores may be too good; "
        f"{hint}"
    )


def named(records: Sequence[ClipRecord]) -> list[Named]:
    return [(record.label, PurePosixPath(record.path).stem) for record in records]


def propose_pattern(clips: Sequence[Named]) -> Proposal | None:
    """The pattern whose sources are most probably real.

    Files of several classes that share the beginning of their names mostly come from one video or person. Of the
    patterns by which at least half of the files do so, the finest is taken; without one, the finest by which half of
    the files share their source with another one of their class.
    """
    found = [measured for pattern in _candidates(clips) if (measured := _measured(pattern, clips))]
    for across in (True, False):
        good = [one for one in found if one.across == across and 2 * one.shared >= len(clips)]
        if good:
            return max(good, key=lambda one: one.sources)
    return None


def _candidates(clips: Sequence[Named]) -> Iterator[str]:
    """What stands before the class in the name; the first parts of the name; all but the number at its end."""
    labels = sorted({label for label, _ in clips}, key=len, reverse=True)
    if len(labels) <= 100:  # a longer pattern is no help to anyone
        yield f"^(.+?)[_-](?:{'|'.join(map(re.escape, labels))})(?:[_-]|$)"
    for separator in SEPARATORS:
        if any(separator in name for _, name in clips):
            part = f"[^{re.escape(separator)}]+"
            for count in range(1, MOST_PARTS + 1):
                yield f"^({re.escape(separator).join([part] * count)}){re.escape(separator)}"
    yield r"^(.+?)[_. -]*\d+$"


def _measured(pattern: str, clips: Sequence[Named]) -> Proposal | None:
    """How far a pattern groups the clips; None if it does not match all, or no class has two sources to split."""
    expression = re.compile(pattern)
    matches = [expression.search(name) for _, name in clips]
    if not all(matches):
        return None
    sources = [match[1] for match in matches if match]
    classes_of: dict[str, set[str]] = defaultdict(set)
    sources_of: dict[str, set[str]] = defaultdict(set)
    for (label, _), source in zip(clips, sources, strict=True):
        classes_of[source].add(label)
        sources_of[label].add(source)
    if any(len(found) < 2 for found in sources_of.values()):
        return None
    sizes = Counter(sources)
    by_class = [source for source in sources if len(classes_of[source]) > 1]
    alike = [source for source in sources if sizes[source] > 1]
    across = 2 * len(by_class) >= len(clips)
    shared = by_class if across else alike
    if not shared:
        return None
    example = min(shared, key=lambda source: (-sizes[source], source))
    return Proposal(pattern=pattern, sources=len(sizes), example=example, shared=len(shared), across=across)
