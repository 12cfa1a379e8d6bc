"""Video action recognition, end to end."""

import os

# Read when a library is imported, wherever that happens first; a user's own setting goes first.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
