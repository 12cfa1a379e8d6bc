"""How far probabilities can be taken at their word."""

from collections.abc import Sequence

import numpy as np

from action_recognition.evaluation.figures import Calibration, ReliabilityBin
from action_recognition.evaluation.intervals import Estimate
from action_recognition.evaluation.metrics import metrics_of
from action_recognition.evaluation.outcomes import Outcomes
from action_recognition.evaluation.scores import BIN_EDGES, BINS, bin_numbers, ratio


def calibration(
    calibrated: Outcomes, uncalibrated: Outcomes, groups: Sequence[str], *, temperature: float, resamples: int
) -> Calibration:
    """Of the same clips at the contract's temperature and at temperature 1."""
    after, before = (_error_and_loss(clips, groups, resamples) for clips in (calibrated, uncalibrated))
    return Calibration(
        temperature=temperature,
        error=after[0],
        uncalibrated_error=before[0],
        log_loss=after[1],
        uncalibrated_log_loss=before[1],
        bins=reliability_bins(calibrated),
        uncalibrated_bins=reliability_bins(uncalibrated),
    )


def reliability_bins(clips: Outcomes) -> tuple[ReliabilityBin, ...]:
    """The bins of `scores.calibration_error`, from the least to the most confident."""
    bin_N = bin_numbers(clips.confidence_N)
    clips_M = np.bincount(bin_N, minlength=BINS)
    confidence_M = ratio(np.bincount(bin_N, weights=clips.confidence_N, minlength=BINS), clips_M)
    accuracy_M = ratio(np.bincount(bin_N, weights=clips.correct_N, minlength=BINS), clips_M)
    columns = (BIN_EDGES[:-1], BIN_EDGES[1:], clips_M, confidence_M, accuracy_M)
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return tuple(
        ReliabilityBin(low=low, high=high, clips=count, confidence=confidence, accuracy=accuracy)
        for low, high, count, confidence, accuracy in rows
    )


def _error_and_loss(clips: Outcomes, groups: Sequence[str], resamples: int) -> tuple[Estimate, Estimate]:
    estimates = metrics_of(clips, groups, resamples=resamples, names=("calibration_error", "log_loss")).estimates
    return estimates["calibration_error"], estimates["log_loss"]
