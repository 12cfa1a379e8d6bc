"""What a model says of a split: probabilities of each video, and outcomes of each of its views."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from action_recognition.data.datamodule import ClipDataModule
from action_recognition.evaluation.logits import Classifier, split_logits
from action_recognition.evaluation.outcomes import Outcomes
from action_recognition.utils.probabilities import softmax

# Videos that are judged together.
BLOCK = 256


@dataclass(frozen=True, kw_only=True, eq=False)
class SplitPredictions:
    """What a model says of N videos of a split.

    Attributes:
        probability_NK: float32, the mean over a video's views, at the contract's temperature.
        outcomes: of the videos.
        uncalibrated: of the videos, at temperature 1.
        view_outcomes: of the V views of all videos, each judged alone.
        video_V: the video, 0 to N - 1, of each view.
        place_N: the places of the videos in the split, rising.
        errors: one line for each video that was left out.
    """

    probability_NK: NDArray[np.float32]
    outcomes: Outcomes
    uncalibrated: Outcomes
    view_outcomes: Outcomes
    video_V: NDArray[np.int64]
    place_N: NDArray[np.int64]
    errors: tuple[str, ...] = ()


class Accumulator:
    """Collects the predictions of a split, video by video, in any order.

    A video costs K float32 values, and a view some fifty bytes; nothing else is kept.

    Args:
        label_N: class numbers of all videos of the split, of which some may be left out.
        classes: K.
        temperature: of the contract.
    """

    def __init__(self, label_N: NDArray[np.int64], classes: int, temperature: float = 1.0) -> None:
        self.label_N, self.temperature = label_N, temperature
        self.mean_NK = np.zeros((len(label_N), classes), dtype=np.float32)
        self._waiting: list[tuple[int, NDArray[np.floating]]] = []
        self._places: list[int] = []
        self._views: list[int] = []
        self._of_views: list[Outcomes] = []
        self._uncalibrated: list[Outcomes] = []

    def add(self, place: int, logits_VK: NDArray[np.floating]) -> None:
        """The finite logits of all views of the video at one place of the split."""
        self._waiting.append((place, logits_VK))
        if len(self._waiting) == BLOCK:
            self._judge_waiting()

    def result(self, errors: Sequence[str] = ()) -> SplitPredictions:
        """All that was added, in the order of the split.

        Raises:
            ValueError: if nothing was added.
        """
        self._judge_waiting()
        order_N = np.argsort(self._places)
        place_N = np.array(self._places, dtype=np.int64)[order_N]
        mean_NK = self.mean_NK if len(place_N) == len(self.mean_NK) else self.mean_NK[place_N]
        outcomes = Outcomes.of(mean_NK, self.label_N[place_N])
        unchanged = self.temperature == 1
        return SplitPredictions(
            probability_NK=mean_NK,
            outcomes=outcomes,
            uncalibrated=outcomes if unchanged else Outcomes.joined(self._uncalibrated)[order_N],
            view_outcomes=Outcomes.joined(self._of_views),
            video_V=np.repeat(np.argsort(order_N), self._views),
            place_N=place_N,
            errors=tuple(errors),
        )

    def _judge_waiting(self) -> None:
        if not self._waiting:
            return
        places = [place for place, _ in self._waiting]
        views = [len(logits_VK) for _, logits_VK in self._waiting]
        logits_BK = np.concatenate([logits_VK for _, logits_VK in self._waiting])
        label_N, starts = self.label_N[places], np.cumsum([0, *views[:-1]])
        probability_BK = softmax(logits_BK, self.temperature)
        self.mean_NK[places] = _means(probability_BK, starts, views)
        self._of_views.append(Outcomes.of(probability_BK, np.repeat(label_N, views)))
        if self.temperature != 1:
            self._uncalibrated.append(Outcomes.of(_means(softmax(logits_BK), starts, views), label_N))
        self._places += places
        self._views += views
        self._waiting.clear()


def _means(probability_BK: NDArray[np.float64], starts: NDArray[np.int64], views: list[int]) -> NDArray[np.float32]:
    mean_NK = np.add.reduceat(probability_BK, starts) / np.array(views)[:, None]
    return np.asarray(mean_NK, dtype=np.float32)


def predict_split(model: Classifier, datamodule: ClipDataModule, split: str, console: Console) -> SplitPredictions:
    """Judge every view of each video of a split.

    Raises:
        DataError: if none of the videos can be read.
        NumericsError: for logits that are infinite or NaN.
    """
    contract = datamodule.contract
    seen = Accumulator(datamodule.labels(split), contract.num_classes, contract.temperature)
    errors: list[str] = []
    for place, logits_VK in split_logits(model, datamodule, split, console, errors=errors):
        seen.add(place, logits_VK)
    return seen.result(errors)
