"""What figures need of each clip: a few numbers in place of its row of probabilities."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Self

import numpy as np
from numpy.typing import NDArray

from action_recognition.errors import NumericsError

Floats = NDArray[np.float64]
Numbers = NDArray[np.int64]
# Values of a block of rows: the arrays made on the way stay small however many clips there are.
BLOCK_VALUES = 1 << 20


@dataclass(frozen=True, eq=False)
class Outcomes:
    """How N clips were judged, with K classes.

    Attributes:
        classes: K.
        label_N: class numbers of the labels.
        predicted_N: the most probable classes. Of equally probable ones the lower number is taken, here and in ranks.
        rank_N: classes that are more probable than the label: 0 where the prediction is right.
        confidence_N: the probability of the prediction.
        label_probability_N: the probability of the label.
        brier_N: squared distance between probabilities and truth, summed over the classes: 0 to 2 (Brier 1950).
    """

    classes: int
    label_N: Numbers
    predicted_N: Numbers
    rank_N: Numbers
    confidence_N: Floats
    label_probability_N: Floats
    brier_N: Floats

    def __len__(self) -> int:
        return len(self.label_N)

    def __getitem__(self, places: Numbers | slice) -> Self:
        """The outcomes of some of the clips."""
        return type(self)(self.classes, *(getattr(self, name)[places] for name in _ARRAYS))

    @property
    def correct_N(self) -> NDArray[np.bool_]:
        return self.predicted_N == self.label_N

    @classmethod
    def of(cls, probability_NK: NDArray[np.floating], label_N: Numbers) -> Self:
        """The outcomes of probabilities `[N, K]`, computed in float64, and of labels `[N]`, 0 to K - 1.

        Raises:
            ValueError: for a label that is no class.
            NumericsError: for a probability that is infinite or NaN.
        """
        label_N = np.asarray(label_N, dtype=np.int64)
        clips, classes = probability_NK.shape
        if label_N.shape != (clips,) or (clips and not 0 <= label_N.min() <= label_N.max() < classes):
            raise ValueError(f"labels of {clips} clips: expected {clips} numbers from 0 to {classes - 1}")
        predicted_N, rank_N = np.empty((2, clips), np.int64)
        confidence_N, label_probability_N, brier_N = np.empty((3, clips))
        made = (predicted_N, rank_N, confidence_N, label_probability_N, brier_N)
        for rows in blocks(clips, classes):
            judged = _judge(np.asarray(probability_NK[rows], dtype=np.float64), label_N[rows])
            for array, values in zip(made, judged, strict=True):
                array[rows] = values
        return cls(classes, label_N, *made)

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """The clips of all parts, one after the other."""
        return cls(parts[0].classes, *(np.concatenate([getattr(part, name) for part in parts]) for name in _ARRAYS))


_ARRAYS = tuple(field.name for field in fields(Outcomes) if field.name != "classes")


def blocks(clips: int, classes: int) -> Iterator[slice]:
    """Rows of `[clips, classes]`, a block of about `BLOCK_VALUES` values at a time."""
    step = max(1, BLOCK_VALUES // max(1, classes))
    return (slice(first, min(first + step, clips)) for first in range(0, clips, step))


def _judge(probability_BK: Floats, label_B: Numbers) -> tuple[NDArray[np.generic], ...]:
    if not np.isfinite(probability_BK).all():
        raise NumericsError("probabilities that are infinite or NaN; export the model again, or train again")
    row_B = np.arange(len(label_B))
    predicted_B = probability_BK.argmax(axis=1)
    of_label_B1 = probability_BK[row_B, label_B][:, None]
    is_lower_BK = np.arange(probability_BK.shape[1]) < label_B[:, None]
    before_BK = (probability_BK > of_label_B1) | ((probability_BK == of_label_B1) & is_lower_BK)
    of_label_B = of_label_B1[:, 0]
    brier_B = np.einsum("bk,bk->b", probability_BK, probability_BK) - 2 * of_label_B + 1
    rank_B = np.count_nonzero(before_BK, axis=1)
    return predicted_B, rank_B, probability_BK[row_B, predicted_B], of_label_B, np.maximum(brier_B, 0)
