"""From the predictions of a split to all its figures."""

from collections.abc import Sequence

import numpy as np

from action_recognition.contract import ClipContract
from action_recognition.datasets.records import ClipRecord
from action_recognition.evaluation.calibration.reliability import calibration
from action_recognition.evaluation.calibration.risk_coverage import risk_coverage
from action_recognition.evaluation.classes import class_figures, confused_pairs, confusion_matrix
from action_recognition.evaluation.figures import MOST_MISTAKES, EvaluationFigures, Mistake
from action_recognition.evaluation.metrics import metrics_of
from action_recognition.evaluation.outcomes import Outcomes
from action_recognition.evaluation.predictions import SplitPredictions
from action_recognition.evaluation.tags import tag_figures


def compute_figures(
    predictions: SplitPredictions, records: Sequence[ClipRecord], contract: ClipContract, *, resamples: int
) -> EvaluationFigures:
    """All figures of a split.

    Args:
        records: of the N videos of `predictions`, in their order.
        resamples: draws of the bootstrap.
    """
    clips, names = predictions.outcomes, contract.class_names
    groups = [record.source_video for record in records]
    view_groups = [groups[video] for video in predictions.video_V.tolist()]
    matrix_KK = confusion_matrix(clips.predicted_N, clips.label_N, clips.classes)
    return EvaluationFigures(
        class_names=names,
        views=len(view_groups) // len(groups),
        metrics=metrics_of(clips, groups, predictions.probability_NK, resamples=resamples),
        clip_metrics=metrics_of(predictions.view_outcomes, view_groups, resamples=resamples),
        classes=class_figures(clips, names, groups, resamples=resamples),
        tags=tag_figures(clips, records, resamples=resamples),
        confusion_KK=matrix_KK,
        confused_pairs=confused_pairs(matrix_KK, names),
        calibration=calibration(
            clips, predictions.uncalibrated, groups, temperature=contract.temperature, resamples=resamples
        ),
        risk_coverage=risk_coverage(clips, groups, threshold=contract.threshold, resamples=resamples),
        mistakes=surest_mistakes(clips, records, names),
    )


def surest_mistakes(clips: Outcomes, records: Sequence[ClipRecord], class_names: Sequence[str]) -> tuple[Mistake, ...]:
    """Wrong labels by falling probability; of equal ones, that of the less probable true label first."""
    order_N = np.lexsort((clips.label_probability_N, -clips.confidence_N))
    wrong = [index for index in order_N.tolist() if clips.rank_N[index]]
    return tuple(
        Mistake(
            index=index,
            path=records[index].path,
            label=class_names[clips.label_N[index]],
            predicted=class_names[clips.predicted_N[index]],
            predicted_probability=float(clips.confidence_N[index]),
            label_probability=float(clips.label_probability_N[index]),
        )
        for index in wrong[:MOST_MISTAKES]
    )
