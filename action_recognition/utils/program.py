"""The name by which this program was called: `python commands.py`, `action-recognition`, `python -m ...`."""

import sys
from pathlib import Path

# What messages, docstrings and README call it. `as_called` says it in the words that work where the program runs.
SCRIPT = "python commands.py"
CONSOLE_SCRIPT = "action-recognition"
CHECKOUT = Path(__file__).resolve().parents[2]


def program() -> str:
    """What a user types in front of a command here."""
    called = Path(sys.argv[0])
    if called.stem == CONSOLE_SCRIPT:
        return CONSOLE_SCRIPT
    if called.name == "__main__.py" and called.parent.name == "action_recognition":
        return "python -m action_recognition"
    return SCRIPT if (CHECKOUT / "commands.py").is_file() else CONSOLE_SCRIPT


def as_called(text: str) -> str:
    """`text` with the commands in it as they are typed here."""
    return text.replace(f"{SCRIPT} ", f"{program()} ")
