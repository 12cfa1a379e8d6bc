"""Running a model on videos: backends, windows, predictions, labelled videos."""

# First: it silences OpenCV's chatter about broken files, which has to be done before cv2 is imported.
import action_recognition.data.video  # noqa: F401
