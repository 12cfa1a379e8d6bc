"""The words behind a command: inputs, and overrides of the configuration."""

import os
import re
from collections.abc import Sequence

OVERRIDE = re.compile(r"^([+~]{0,2}[A-Za-z_][\w./@]*=|@)")


def split_words(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Inputs and overrides, told apart by `key=` or `@` at the start; a file that exists is an input."""
    inputs = [word for word in words if os.path.exists(word) or not OVERRIDE.match(word)]  # noqa: PTH110 - no Path per word
    return inputs, [word for word in words if word not in inputs]
