"""What a value may be, declared beside its field: `lr: Annotated[float, Range(above=0, most=100)]`.

A rule says whether a value is allowed, and in words what would be. `config.checking` applies them.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Any

from action_recognition.utils.rules import Length, Range


@dataclass(frozen=True)
class Interval:
    """Lists `[low, high]`."""

    def allows(self, value: Sequence[float]) -> bool:
        return len(value) == 2 and value[0] <= value[1]

    @property
    def expected(self) -> str:
        return "[low, high], low <= high,"


@dataclass(frozen=True)
class FolderName:
    """Text that names a folder inside another one."""

    def allows(self, value: str) -> bool:
        return value not in (".", "..") and not set(value) & set("/\\") and len(value.encode()) <= 255

    @property
    def expected(self) -> str:
        return "a name for folders: no slash, at most 255 bytes"


@dataclass(frozen=True)
class Pattern:
    """A regular expression with these named groups."""

    groups: tuple[str, ...] = ()

    def allows(self, value: str) -> bool:
        try:
            return set(self.groups) <= set(re.compile(value).groupindex)
        except (re.error, OverflowError, RecursionError):
            return False

    @property
    def expected(self) -> str:
        groups = " ".join(f"(?P<{name}>...)" for name in self.groups)
        return "a regular expression" + (f" with the groups {groups}" if groups else "")


@dataclass(frozen=True)
class Words:
    """A text, or a list of texts: `a` or `[a,b]`."""

    def allows(self, value: Any) -> bool:
        words = value if isinstance(value, list) else [value]
        return all(isinstance(word, str | int) and not isinstance(word, bool) for word in words)

    @property
    def expected(self) -> str:
        return "a name, or names as [a,b]"


@dataclass(frozen=True)
class TextByPart:
    """A text, a mapping from parts to texts, or null in the place of any text."""

    def allows(self, value: Any) -> bool:
        texts = value.values() if isinstance(value, dict) else [value]
        return all(text is None or isinstance(text, str) for text in texts)

    @property
    def expected(self) -> str:
        return "a name, a path or a URL, {part: one of these} or null"


@dataclass(frozen=True)
class Internal:
    """Set by the program: no key of the configuration."""

    expected: str = "nothing"

    def allows(self, value: Any) -> bool:  # noqa: ARG002 - as of every rule
        return True


class Lifetime(Enum):
    """How long a key is of use, beside its type or in a section's `MARKS`. Without a mark it stays with the model."""

    COMMAND = "of one command: what a checkpoint was trained with is not asked"
    MACHINE = "of the machine that trains: only a resumed training takes it from its checkpoint"
    START = "of a training's start: nothing reads it once there is a checkpoint"


class Effect(Enum):
    """What follows from a key, for studies of several runs; beside its type, like `Lifetime`."""

    ON_CLIPS = "on which clips are judged, or on chance: the trials of a search share it"
    NONE = "neither a score nor a runtime follows from it: compare-runs does not mention it"


Share = Annotated[float, Range(0, 1)]
ShareBelowOne = Annotated[float, Range(least=0, below=1)]
# What NumPy, and with it Lightning's seed_everything, take.
Seed = Annotated[int, Range(0, 2**32 - 1)]
Count = Annotated[int, Range(1, 1_000_000)]
# Pixels are numbers of 8 or 16 bits, and models are given them as they are. A standard deviation of less than a
# millionth would be zero in float32, or make infinity of a pixel.
ChannelMeans = Annotated[list[Annotated[float, Range(0, 65535)]], Length(1, 16)]
ChannelStds = Annotated[list[Annotated[float, Range(1e-6, 65535)]], Length(1, 16)]
