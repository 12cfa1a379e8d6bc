"""The command line of a checkout: python commands.py COMMAND [key=value ...]."""

import sys

from action_recognition.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
