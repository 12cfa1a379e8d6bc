"""Scores of each class, and which classes are taken for each other."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from action_recognition.evaluation.figures import ClassFigures, ConfusedPair
from action_recognition.evaluation.intervals import Draws, Estimate, bootstrap
from action_recognition.evaluation.outcomes import Outcomes
from action_recognition.evaluation.scores import ClassCounts


def class_figures(
    clips: Outcomes, class_names: Sequence[str], groups: Sequence[str], *, resamples: int
) -> tuple[ClassFigures, ...]:
    """Of every class, in the order of `class_names`."""

    def scores(draws: Draws) -> NDArray[np.float64]:
        counts = ClassCounts.of(clips, draws)
        return np.hstack([score(otherwise=np.nan) for score in (counts.recall, counts.precision, counts.f1)])

    classes = clips.classes
    (found,) = bootstrap([scores], groups, resamples=resamples, width=3 * classes)
    matrix_KK = confusion_matrix(clips.predicted_N, clips.label_N, classes)
    sources_K = sources_by(clips.label_N, classes, groups)
    return tuple(
        ClassFigures(
            name=name,
            clips=int(matrix_KK[number].sum()),
            sources=int(sources_K[number]),
            predicted=int(matrix_KK[:, number].sum()),
            correct=int(matrix_KK[number, number]),
            accuracy=_defined(found[number]),
            precision=_defined(found[classes + number]),
            f1=_defined(found[2 * classes + number]),
        )
        for number, name in enumerate(class_names)
    )


def sources_by(number_N: NDArray[np.int64], size: int, groups: Sequence[str]) -> NDArray[np.int64]:
    """`[size]`: source videos of the clips with each number."""
    pairs = {(number, group) for number, group in zip(number_N.tolist(), groups, strict=True)}
    return np.bincount([number for number, _ in pairs], minlength=size)


def confusion_matrix(predicted_N: NDArray[np.int64], label_N: NDArray[np.int64], classes: int) -> NDArray[np.int64]:
    """`[K, K]` counts, rows true, columns predicted."""
    return np.bincount(label_N * classes + predicted_N, minlength=classes**2).reshape(classes, classes)


def confused_pairs(matrix_KK: NDArray[np.int64], class_names: Sequence[str]) -> tuple[ConfusedPair, ...]:
    """The wrong pairs of a confusion matrix, the most frequent first, then by their share, then by class number."""
    clips_K = matrix_KK.sum(axis=1)
    rows, columns = np.nonzero(matrix_KK)
    pairs = [
        (int(matrix_KK[row, column]), float(matrix_KK[row, column] / clips_K[row]), row, column)
        for row, column in zip(rows.tolist(), columns.tolist(), strict=True)
        if row != column
    ]
    pairs.sort(key=lambda pair: (-pair[0], -pair[1], pair[2], pair[3]))
    return tuple(
        ConfusedPair(label=class_names[row], predicted=class_names[column], clips=clips, share=share)
        for clips, share, row, column in pairs
    )


def _defined(estimate: Estimate) -> Estimate | None:
    return None if np.isnan(estimate.value) else estimate
