"""Command line: python commands.py COMMAND [key=value ...]. Each command composes the config and calls one function."""

import sys

from action_recognition.cli.commands import Commands
from action_recognition.cli.main import main

if __name__ == "__main__":
    sys.exit(main(Commands, sys.argv[1:]))
