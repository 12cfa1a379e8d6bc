"""The name under which this program runs: `python commands.py`, `action-recognition`, `python -m ...`."""

import sys
from pathlib import Path

# The name in messages, docstrings and README; `as_called` replaces it with the one that works here.
SCRIPT = "python commands.py"
CONSOLE_SCRIPT = "action-recognition"
CHECKOUT = Path(__file__).resolve().parents[2]


def program() -> str:
    """What a user types before a command here."""
    called = Path(sys.argv[0])
    if called.stem == CONSOLE_SCRIPT:
        return CONSOLE_SCRIPT
    if called.name == "__main__.py" and called.parent.name == "action_recognition":
        return "python -m action_recognition"
    return SCRIPT if (CHECKOUT / "commands.py").is_file() else CONSOLE_SCRIPT


def as_called(text: str) -> str:
    """`text` with its commands as a user types them here."""
    return text.replace(f"{SCRIPT} ", f"{program()} ")
