"""Running a model on videos: backends, windows, predictions, labelled videos."""

import os

import cv2

# OpenCV reads OPENCV_LOG_LEVEL when it is loaded, which may have been before data.video set it. Its chatter about a
# broken file would come beside our one line about it.
if os.environ.setdefault("OPENCV_LOG_LEVEL", "OFF") == "OFF":
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
