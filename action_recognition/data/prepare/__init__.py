"""`download-data`: bring a data set to data/<name>/ and write its manifest there."""

from action_recognition.data.prepare.command import download_data

__all__ = ["download_data"]
