"""What to run next, with the overrides that it would not know otherwise, to be pasted into a shell."""

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

from action_recognition.utils.rank import in_dvc_stage
from action_recognition.utils.redaction import redacted
from action_recognition.utils.text import printable

# Where files lie that a command finds by itself unless it is told another place.
PLACES = ("plots_dir", "export.onnx", "export.engine_path")
TRACKING = ("tracking",)
DATA = ("data", "clip", "experiment", "plots_dir")
TRAINING = (*DATA, "augment", "model", "optimizer", "trainer")
# Where the data came from is of use once; a URL may hold a password.
ONCE = ("data.archive", "data.splits_archive", "data.mirrors", "data.hub", "data.keep_downloads", "trainer.resume")


def with_overrides(command: str, given: Sequence[str], keys: Sequence[str]) -> str:
    """`command`, and those of the overrides `given` whose key is one of `keys` or lies below one."""
    from action_recognition.config import key_of  # not at the top: `--help` answers without it

    own = {key_of(word) for word in shlex.split(command)[1:] if "=" in word}
    kept = [word for word in given if _is_repeated(key_of(word), keys) and key_of(word) not in own]
    return " ".join(["python commands.py", command, *map(shlex.quote, kept)])


def print_next(console: "Console", *lines: str) -> None:
    """One line of commands to choose from; none inside a pipeline of DVC, which goes on by itself."""
    if lines and not in_dvc_stage():
        console.print(f"next: {printable(redacted('  or  '.join(lines)))}")


def _is_repeated(key: str, keys: Sequence[str]) -> bool:
    if not key:  # `@FILE`, which may hold any key
        return "data" in keys
    return _is_below(key, keys) and not _is_below(key, ONCE)


def _is_below(key: str, keys: Sequence[str]) -> bool:
    return any(key == other or key.startswith(f"{other}.") for other in keys)
