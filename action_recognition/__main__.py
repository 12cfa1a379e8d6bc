"""The command line: python -m action_recognition COMMAND [key=value ...]."""

import sys

from action_recognition.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
