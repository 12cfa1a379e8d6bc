"""The code that an MLflow model server runs. MLflow copies this file into the model ("models from code").

In: one row per video, its bytes in the column `video` (base64 in JSON). Out: one row per video: `label`, the likeliest
class; `none_of_these`, whether even that is less probable than the model's threshold; and `probabilities`, a mapping
from class name to probability in descending order.
"""

import tempfile
from numbers import Integral
from pathlib import Path
from typing import Any

import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.models import set_model
from mlflow.pyfunc import PythonModel, PythonModelContext

from action_recognition.errors import UserError
from action_recognition.inference.backends import load_backend
from action_recognition.inference.prediction import Prediction
from action_recognition.inference.predictor import Predictor
from action_recognition.serving.request_guard import guard_scoring_server


class VideoClassifier(PythonModel):
    """The predictor behind MLflow's interface."""

    def load_context(self, context: PythonModelContext) -> None:
        guard_scoring_server()
        settings = context.model_config
        backend = load_backend(Path(context.artifacts["model"]), kind=settings["backend"], device=settings["device"])
        self._predictor = Predictor(backend, batch_size=settings["batch_size"], overlap=settings["overlap"])

    def predict(  # MLflow gives the context again, and fixes the names
        self,
        context: PythonModelContext,  # noqa: ARG002
        model_input: pd.DataFrame,
        params: dict[str, Any] | None = None,
    ) -> pd.DataFrame:
        """Label videos.

        Args:
            model_input: bytes of video files in the column `video`.
            params: `top_k`, how many classes to answer with; 0 means all.

        Raises:
            MlflowException: for bytes that are no video, or another `top_k`; a client sees status 400 and one line.
        """
        top_k = _top_k((params or {}).get("top_k", 0))
        predictions = [self._predict_bytes(row, video) for row, video in enumerate(model_input["video"])]
        top = [dict(prediction.top(top_k or len(prediction.class_names))) for prediction in predictions]
        return pd.DataFrame(
            {
                "label": [prediction.label for prediction in predictions],
                "none_of_these": [prediction.is_none_of_these for prediction in predictions],
                "probabilities": top,
            }
        )

    def _predict_bytes(self, row: int, video: object) -> Prediction:
        if not isinstance(video, bytes):
            raise MlflowException.invalid_parameter_value(
                f"row {row}: expected a video file's bytes, got {type(video).__name__}"
            )
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "video"
            path.write_bytes(video)
            try:
                return self._predictor.predict(path)
            except UserError as error:
                raise MlflowException.invalid_parameter_value(str(error).replace(str(path), f"row {row}")) from None
            except MemoryError:
                raise MlflowException.invalid_parameter_value(f"row {row}: not enough memory for this video") from None


def _top_k(given: object) -> int:
    """MLflow hands null on, whatever the signature says."""
    if not isinstance(given, Integral) or isinstance(given, bool) or given < 0:
        shown = "null" if given is None else str(given)[:40]
        raise MlflowException.invalid_parameter_value(f"top_k={shown}: expected 0 (all classes) or more")
    return int(given)


set_model(VideoClassifier())
