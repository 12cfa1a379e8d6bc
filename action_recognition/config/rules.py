"""Rules for keys of the configuration beside those of `utils.rules`, and marks that say what a key is for."""

import re
from enum import Enum
from typing import Annotated, Any

from action_recognition.utils.rules import Check, Length, Range

INTERVAL = Check("of [low, high], low <= high", lambda value: len(value) == 2 and value[0] <= value[1])
FOLDER_NAME = Check(
    "a name for folders: no slash, at most 255 bytes",
    lambda value: value not in (".", "..") and not set(value) & set("/\\") and len(value.encode()) <= 255,
)


def _is_word(value: Any) -> bool:
    return isinstance(value, str | int) and not isinstance(value, bool)


WORDS = Check(
    "a name, or names as [a,b]", lambda value: all(map(_is_word, value if isinstance(value, list) else [value]))
)
TRUTH_OR_WORDS = Check(
    "true or false, a name, or names as [a,b]", lambda value: isinstance(value, bool) or WORDS.allows(value)
)
TEXT_BY_PART = Check(
    "a name, a path or a URL, {part: one of these} or null",
    lambda value: all(
        text is None or isinstance(text, str) for text in (value.values() if isinstance(value, dict) else [value])
    ),
)


def pattern(*groups: str) -> Check:
    """A regular expression with these named groups."""

    def allows(value: str) -> bool:
        try:
            return set(groups) <= re.compile(value).groupindex.keys()
        except (re.error, OverflowError, RecursionError):
            return False

    named = " ".join(f"(?P<{name}>...)" for name in groups)
    return Check("a regular expression" + (f" with the groups {named}" if groups else ""), allows)


class Lifetime(Enum):
    """How long a key is of use, beside its type or in a section's `marks`. Without a mark it stays with the model."""

    COMMAND = "one command: a checkpoint does not hand it on"
    MACHINE = "the training machine: only a resumed training takes it from its checkpoint"
    START = "the start of a training: nothing reads it once there is a checkpoint"


class Effect(Enum):
    """What follows from a key, for studies of several runs; beside its type, like `Lifetime`."""

    ON_CLIPS = "decides which clips are judged, or the seed: the trials of a search share it"
    NONE = "changes neither a score nor a runtime: compare-runs does not mention it"


Share = Annotated[float, Range(0, 1)]
ShareBelowOne = Annotated[float, Range(least=0, below=1)]
# The range that NumPy, and with it Lightning's seed_everything, accepts.
Seed = Annotated[int, Range(0, 2**32 - 1)]
Count = Annotated[int, Range(1, 1_000_000)]
Seconds = Annotated[float, Range(0, 1_000_000)]
# Pixels have 8 or 16 bits and reach the model unscaled. A standard deviation below a millionth would be zero in
# float32, or turn a pixel into infinity.
ChannelMeans = Annotated[list[Annotated[float, Range(0, 65535)]], Length(1, 16)]
ChannelStds = Annotated[list[Annotated[float, Range(1e-6, 65535)]], Length(1, 16)]
