"""All figures together: of sets of every size, and of each class, bin and tag against scikit-learn."""

import dataclasses

import numpy as np
import pytest
from helpers.judged_splits import Judged, figures_of, judged_split
from rich.console import Console
from sklearn import metrics as sklearn
from sklearn.calibration import calibration_curve

from action_recognition.evaluation.classes import confused_pairs
from action_recognition.evaluation.figures import MOST_MISTAKES, EvaluationFigures
from action_recognition.evaluation.intervals import Estimate
from action_recognition.evaluation.metrics import METRICS
from action_recognition.evaluation.terminal import summary

SETS = {
    "two classes": judged_split(60, 2),
    "a thousand classes": judged_split(300, 1000, temperature=0.5),
    "classes without clips": judged_split(50, 9, present=4),
    "one class": judged_split(10, 1),
    "one clip": judged_split(1, 5),
    "one source video": judged_split(30, 5, sources=1),
    "one view, no tags": judged_split(30, 5, views=1, tags=False),
}


@pytest.fixture(scope="module", params=SETS)
def judged(request: pytest.FixtureRequest) -> Judged:
    return SETS[request.param]


@pytest.fixture(scope="module")
def figures(judged: Judged) -> EvaluationFigures:
    return figures_of(judged, resamples=30)


def estimates_in(value: object) -> list[Estimate]:
    if isinstance(value, Estimate):
        return [value]
    if dataclasses.is_dataclass(value):
        return [found for field in dataclasses.fields(value) for found in estimates_in(getattr(value, field.name))]
    if isinstance(value, dict):
        return [found for one in value.values() for found in estimates_in(one)]
    return [found for one in value for found in estimates_in(one)] if isinstance(value, tuple) else []


def test_every_figure_is_a_number_within_its_bounds(figures: EvaluationFigures) -> None:
    found = estimates_in(figures)
    assert len(found) > 2 * len(METRICS)
    assert np.isfinite(found).all()
    assert all(low <= high for _, low, high in found)
    assert {name for name in METRICS if figures.flat()[f"{name}_low"] > figures.flat()[name]} <= {"precision_macro"}
    assert all(isinstance(number, (int, float)) for number in figures.flat().values())


def test_classes_agree_with_scikit_learn(judged: Judged, figures: EvaluationFigures) -> None:
    clips = judged[0].outcomes
    scores = sklearn.precision_recall_fscore_support(
        clips.label_N, clips.predicted_N, labels=range(clips.classes), zero_division=np.nan
    )
    for row, precision, recall, f1, support in zip(figures.classes, *scores, strict=True):
        assert (row.clips, row.correct) == (support, pytest.approx(support and recall * support))
        for estimate, expected in ((row.accuracy, recall), (row.precision, precision)):
            assert estimate is None if np.isnan(expected) else estimate.value == pytest.approx(expected, abs=1e-12)
        if row.clips + row.predicted:
            assert row.f1 is not None
            assert row.f1.value == pytest.approx(np.nan_to_num(f1), abs=1e-12)
        else:
            assert row.f1 is None
    if clips.classes > 1:  # scikit-learn warns of a single one
        expected_KK = sklearn.confusion_matrix(clips.label_N, clips.predicted_N, labels=range(clips.classes))
        assert np.array_equal(figures.confusion_KK, expected_KK)
    assert sum(pair.clips for pair in figures.confused_pairs) == np.count_nonzero(clips.rank_N)


def test_bins_agree_with_scikit_learn(judged: Judged, figures: EvaluationFigures) -> None:
    for clips, bins in (
        (judged[0].outcomes, figures.calibration.bins),
        (judged[0].uncalibrated, figures.calibration.uncalibrated_bins),
    ):
        if 0 < np.count_nonzero(clips.correct_N) < len(clips):
            accuracy_M, confidence_M = calibration_curve(clips.correct_N, clips.confidence_N, n_bins=15)
            filled = [row for row in bins if row.clips]
            assert [row.accuracy for row in filled] == pytest.approx(accuracy_M)
            assert [row.confidence for row in filled] == pytest.approx(confidence_M)
        assert sum(row.clips for row in bins) == len(clips)
    error = sum(row.clips * abs(row.accuracy - row.confidence) for row in figures.calibration.bins)
    assert figures.calibration.error.value == pytest.approx(error / figures.metrics.clips)
    assert figures.calibration.error == figures.metrics.estimates["calibration_error"]
    assert figures.calibration.log_loss == figures.metrics.estimates["log_loss"]


def test_tags_are_means_over_their_clips(judged: Judged, figures: EvaluationFigures) -> None:
    predictions, records, _ = judged
    for row in figures.tags:
        has_it_N = np.array([getattr(record, row.tag) == row.value for record in records])
        assert row.clips == has_it_N.sum()
        assert row.top1.value == pytest.approx(predictions.outcomes.correct_N[has_it_N].mean())
        assert row.sources == len({record.source_video for record, has in zip(records, has_it_N, strict=True) if has})
    for tag in {row.tag for row in figures.tags}:
        assert sum(row.clips for row in figures.tags if row.tag == tag) == len(records)
    assert bool(figures.tags) == bool(records[0].view)


def test_mistakes_are_wrong_and_the_surest_come_first(judged: Judged, figures: EvaluationFigures) -> None:
    predictions, records, _ = judged
    sure = [mistake.predicted_probability for mistake in figures.mistakes]
    assert sure == sorted(sure, reverse=True)
    assert len(sure) == min(MOST_MISTAKES, np.count_nonzero(predictions.outcomes.rank_N))
    for mistake in figures.mistakes:
        assert (mistake.path, mistake.label) == (records[mistake.index].path, records[mistake.index].label)
        assert mistake.label != mistake.predicted
        assert mistake.predicted_probability >= mistake.label_probability


def test_single_views_are_the_videos_where_there_is_one(judged: Judged, figures: EvaluationFigures) -> None:
    views = figures.views
    assert len(judged[0].view_outcomes) == views * figures.metrics.clips
    if views == 1:
        for name, estimate in figures.clip_metrics.estimates.items():
            assert estimate == pytest.approx(figures.metrics.estimates[name], abs=1e-6)


def test_the_summary_fits_a_terminal_of_80_columns(figures: EvaluationFigures) -> None:
    console = Console(width=80, force_terminal=False)
    with console.capture() as captured:
        for part in summary(figures, split="test"):
            console.print(part)
    lines = captured.get().splitlines()
    assert len(lines) <= 48
    assert all(len(line) <= 80 for line in lines)
    assert all(metric.label in captured.get() for metric in METRICS.values())


def test_pairs_are_ordered_by_clips_then_by_share() -> None:
    matrix_KK = np.array([[5, 2, 1], [1, 9, 2], [0, 1, 0]])
    found = [(pair.label, pair.predicted, pair.clips) for pair in confused_pairs(matrix_KK, "abc")]
    assert found == [("a", "b", 2), ("b", "c", 2), ("c", "b", 1), ("a", "c", 1), ("b", "a", 1)]
