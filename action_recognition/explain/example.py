"""One input as it is explained: the clip that is looked at, its truth, and what the model says about all of it."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from action_recognition.config.schema import VisualizeConfig
from action_recognition.datasets.records import ClipRecord, read_records
from action_recognition.errors import ConfigError, DataError, VideoError, check_choice
from action_recognition.inference.inputs.given import Given
from action_recognition.inference.inputs.open import is_live, open_input
from action_recognition.inference.prediction import Prediction
from action_recognition.inference.predictor import Predictor
from action_recognition.models.layers import LIST_COMMAND, Layer, choose_layers, default_layers, list_layers
from action_recognition.models.module import VideoActionModel
from action_recognition.tracking.run_folders import run_dir_of
from action_recognition.video.frames import Frame, FrameFormat
from action_recognition.video.windows import CutWindow, WindowCutter

if TYPE_CHECKING:
    pass

LONGEST_PATH = 4  # folders and name of a clip in a data set
MOST_CHOSEN = 40  # layers on one page
OVERLAP = 0.5  # of windows, as `predict` has it


@dataclass(frozen=True, kw_only=True, eq=False)
class Explained:
    """A model that is looked into.

    Attributes:
        model: in inference mode, on its device.
        layers: all of them.
        chosen: those that are drawn.
    """

    path: Path
    model: VideoActionModel
    layers: tuple[Layer, ...]
    chosen: tuple[Layer, ...]
    settings: VisualizeConfig

    @cached_property
    def known_clips(self) -> dict[str, ClipRecord]:
        """The clips of the run's data set by their paths there; none if it is not known."""
        try:
            records = read_records(run_dir_of(self.path) / "manifest.csv")
        except (OSError, DataError):
            return {}
        return {record.path: record for record in records}


@dataclass(frozen=True, kw_only=True, eq=False)
class Example:
    """One input. Sections of a page are made of it.

    Attributes:
        explained: the model.
        given: the input.
        prediction: for the whole input.
        window: the clip that is looked at; `clip_CTHW` is what the model sees.
        truth: the true class; empty if it is not known.
        truth_from: how it is known.
    """

    explained: Explained
    given: Given
    prediction: Prediction
    window: CutWindow
    truth: str
    truth_from: str

    @property
    def model(self) -> VideoActionModel:
        return self.explained.model

    @property
    def clip_BCTHW(self) -> Tensor:
        """`[1, C, T, H, W]` of the contract's dtype, on the model's device."""
        return torch.from_numpy(self.window.clip_CTHW)[None].to(self.model.mean.device)

    @property
    def frames_THWC(self) -> Frame:
        """uint8 `[T, H, W, 3]` to look at; depth as grey, stretched over the values that the clip has."""
        frames_THWC = self.window.clip_CTHW.transpose(1, 2, 3, 0)
        if frames_THWC.shape[3] == 3 and frames_THWC.dtype == np.uint8:
            return frames_THWC
        gray_THW1 = frames_THWC[..., :1].astype(np.float64)
        low, high = gray_THW1.min(), gray_THW1.max()
        shown_THW1 = (255 * (gray_THW1 - low) / max(high - low, 1)).astype(np.uint8)
        return np.repeat(shown_THW1, 3, axis=3)

    @property
    def label_index(self) -> int:
        """Of the predicted class."""
        return int(self.prediction.probabilities.argmax())


def explain_model(path: Path, settings: VisualizeConfig) -> Explained:
    """Load a checkpoint and choose its layers.

    Raises:
        ContractError: if it is no checkpoint.
        ConfigError: for a pattern of layers that names none, and for too many layers.
    """
    if settings.device == "cuda" and not torch.cuda.is_available():
        raise ConfigError("visualize.device=cuda: torch sees no GPU; use visualize.device=cpu or auto")
    device = "cuda" if settings.device != "cpu" and torch.cuda.is_available() else "cpu"
    return look_into(VideoActionModel.from_checkpoint(path, device=device), settings, path=path)


def look_into(model: VideoActionModel, settings: VisualizeConfig, *, path: Path) -> Explained:
    """As `explain_model`, of a model in inference mode; `path` is where it came from."""
    layers = list_layers(model)
    chosen = choose_layers(layers, settings.layers) if settings.layers else default_layers(layers)
    if len(chosen) > MOST_CHOSEN:
        given = ",".join(settings.layers or [])
        line = f"visualize.layers=[{given}]: names {len(chosen)} layers, expected at most {MOST_CHOSEN}"
        raise ConfigError(f"{line}; see {LIST_COMMAND}")
    return Explained(path=path, model=model, layers=layers, chosen=chosen, settings=settings)


class ModelBackend:
    """A loaded model as a predictor takes it."""

    def __init__(self, model: VideoActionModel) -> None:
        self.model, self.contract = model, model.contract
        self.device = model.mean.device.type

    def __call__(self, clip_BCTHW: NDArray[np.uint8]) -> NDArray[np.float32]:
        with torch.inference_mode():
            logits_BK = self.model(torch.from_numpy(clip_BCTHW).to(self.model.mean.device))
            return np.asarray(logits_BK.cpu().numpy(), dtype=np.float32)


def read_example(explained: Explained, given: Given) -> Example:
    """Predict an input and take the clip of it at `visualize.second`, or where the predicted class is likeliest.

    Raises:
        VideoError: if it cannot be read, is too short, or ends before that second.
        ConfigError: for a camera or a stream, which cannot be read a second time.
    """
    settings = explained.settings
    truth, truth_from = truth_of(explained, given)
    if is_live(given):
        raise ConfigError(f"{given}: goes on without end; record some of it, or predict it: python commands.py predict")
    predictor = Predictor(ModelBackend(explained.model), overlap=OVERLAP)
    prediction = predictor.predict(given)
    number = _window_at(prediction, settings.second)
    window = next(islice(windows_of(explained, given), number, None))
    return Example(
        explained=explained, given=given, prediction=prediction, window=window, truth=truth, truth_from=truth_from
    )


def truth_of(explained: Explained, given: Given) -> tuple[str, str]:
    """The true class of an input and how it is known; empty texts if it is not.

    Raises:
        ConfigError: if `visualize.label` is no class of the model.
    """
    class_names = explained.model.contract.class_names
    if label := explained.settings.label:
        check_choice("visualize.label", label, class_names)
        return label, "from visualize.label"
    if not isinstance(given, Path):
        return "", ""
    parts = given.resolve().parts
    for length in range(min(LONGEST_PATH, len(parts)), 0, -1):
        record = explained.known_clips.get("/".join(parts[-length:]))
        if record and (given.is_dir() or record.size_bytes in (0, given.stat().st_size)):
            return record.label, "from the data set that the model was trained on"
    folders = [part for part in parts[-2:-1] if part in class_names]
    return (folders[0], "from the name of its folder") if folders else ("", "")


def _window_at(prediction: Prediction, second: float | None) -> int:
    windows = prediction.windows
    if second is None:
        chances = [window.probabilities[int(prediction.probabilities.argmax())] for window in windows]
        return int(np.argmax(chances))
    if second > prediction.duration_seconds:
        ends = f"ends at {prediction.duration_seconds:.2f} s"
        raise VideoError(f"{prediction.input}: {ends}; expected visualize.second={second:g} to be in it")
    distances = [abs((window.start_seconds + window.end_seconds) / 2 - second) for window in windows]
    return int(np.argmin(distances))


def windows_of(explained: Explained, given: Given) -> Iterator[CutWindow]:
    """The windows of an input, as they were predicted, with their clips."""
    predictor = Predictor(ModelBackend(explained.model), overlap=OVERLAP)
    contract = predictor.backend.contract
    with open_input(given, FrameFormat.of(contract), predictor.inputs) as opened:
        cutter = WindowCutter(contract, overlap=OVERLAP, origin=opened.origin)
        yield from cutter.cut(predictor.squares(opened))
