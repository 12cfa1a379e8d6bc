"""A model that MLflow can serve: videos in, class probabilities out."""

from action_recognition.serving.servable import log_servable, save_servable

__all__ = ["log_servable", "save_servable"]
