"""Video action recognition, end to end."""

import os

# Read when a library is imported, wherever that happens first; a user's own setting goes first.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
# FFmpeg's and OpenCV's own chatter about a broken file would come beside our one line about it.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
os.environ.setdefault("OPENCV_LOG_LEVEL", "OFF")
