"""Running a model on videos: backends, windows, predictions, labelled videos."""
