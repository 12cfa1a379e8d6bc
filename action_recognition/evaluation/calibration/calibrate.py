"""Calibrating a checkpoint: temperature and threshold, fitted on validation clips, go into its clip contract."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from action_recognition.contract import ClipContract
from action_recognition.data.datamodule import ClipDataModule
from action_recognition.datasets.records import ClipRecord
from action_recognition.errors import DataError, UserError
from action_recognition.evaluation.calibration.temperature import (
    FEW_CLIPS,
    fit_temperature,
    mean_probabilities,
    temperature_interval,
)
from action_recognition.evaluation.calibration.threshold import choose_threshold
from action_recognition.evaluation.leakage import leaking_clips
from action_recognition.evaluation.logits import split_logits
from action_recognition.evaluation.metrics import METRICS
from action_recognition.models.module import VideoActionModel
from action_recognition.models.stored_contract import check_rewritable, rewrite_contract
from action_recognition.utils.devices import training_device

if TYPE_CHECKING:
    from action_recognition.tracking.mlflow_run import Tracker


# With fewer, training does not calibrate, and the command warns. On HMDB51's sample the temperature and threshold that
# suited 38 validation clips made the calibration error of the test clips twice as large, and refused 72 % of them.
MODEST_CLIPS = 50


@dataclass(frozen=True, kw_only=True)
class Calibrated:
    """What was put into a checkpoint.

    Attributes:
        interval: of the temperature, see `temperature.temperature_interval`.
        clips: validation clips that it was fitted on.
        error, uncalibrated_error: expected calibration error on these clips, a share of 1, after and before.
        skipped: a line for each clip that could not be read.
    """

    temperature: float
    interval: tuple[float, float] | None
    threshold: float
    clips: int
    error: float
    uncalibrated_error: float
    skipped: tuple[str, ...] = ()

    def __str__(self) -> str:
        within = " (95 % interval {:.2f} - {:.2f})".format(*self.interval) if self.interval else ""
        errors = f"{100 * self.uncalibrated_error:.1f} % -> {100 * self.error:.1f} %"
        return (
            f"temperature {self.temperature:.2f}{within}, threshold {self.threshold:.2f}, from {self.clips} validation "
            f"clips: expected calibration error {errors}"
        )

    def values(self) -> dict[str, float]:
        """By the names of MLflow's metrics."""
        return {"temperature": self.temperature, "threshold": self.threshold, "val_calibration_error": self.error}


def calibrate_checkpoint(
    checkpoint: Path, datamodule: ClipDataModule, *, target_risk: float | None, console: Console
) -> Calibrated:
    """Fit temperature and threshold of a checkpoint on the validation clips, and put them into it.

    The clips are cut into views as in an evaluation. Weights, and all else in the checkpoint, stay as they are.

    Args:
        target_risk: see `threshold.choose_threshold`.

    Raises:
        DataError: without validation clips, with fewer than `FEW_CLIPS`, or if the model was trained on them.
        ContractError: if it is no checkpoint.
        UserError: if it cannot be rewritten.
    """
    check_rewritable(checkpoint)
    records = datamodule.records("val")
    _check_number(len(records))
    model = VideoActionModel.from_checkpoint(checkpoint, device=training_device(datamodule.config.trainer.accelerator))
    check_own_validation(records, model, datamodule)
    skipped: list[str] = []
    logits = dict(split_logits(model, datamodule, "val", console, errors=skipped))
    _check_number(len(logits))
    logits_NVK = np.stack(list(logits.values()))
    label_N = np.array([model.contract.class_names.index(records[index].label) for index in logits], dtype=np.int64)
    found = fit(logits_NVK, label_N, [records[index].source_video for index in logits], target_risk=target_risk)
    rewrite_contract(checkpoint, calibrated(model.contract, found))
    return replace(found, skipped=tuple(skipped))


def fit(
    logits_NVK: NDArray[np.floating],
    label_N: NDArray[np.int64],
    sources: Sequence[str],
    *,
    target_risk: float | None = None,
) -> Calibrated:
    """Temperature, and the threshold for the probabilities that it gives."""
    temperature = fit_temperature(logits_NVK, label_N)
    error = METRICS["calibration_error"].compute
    probability_NK = mean_probabilities(logits_NVK, temperature)
    correct_N = probability_NK.argmax(axis=1) == label_N
    return Calibrated(
        temperature=temperature,
        interval=temperature_interval(logits_NVK, label_N, sources, temperature),
        threshold=choose_threshold(probability_NK.max(axis=1), correct_N, target_risk),
        clips=len(label_N),
        error=error(probability_NK, label_N),
        uncalibrated_error=error(mean_probabilities(logits_NVK, 1.0), label_N),
    )


def calibrated(contract: ClipContract, found: Calibrated) -> ClipContract:
    return replace(contract, temperature=found.temperature, threshold=found.threshold)


def check_own_validation(records: Sequence[ClipRecord], model: VideoActionModel, datamodule: ClipDataModule) -> None:
    """Refuse validation clips that the model may have been trained on, as those of another split or seed are.

    Raises:
        DataError: if the data is not the model's own, and shares source videos with it.
    """
    if datamodule.manifest.data_hash == model.contract.data_hash:
        return
    if shared := leaking_clips(records, model):
        raise DataError(
            f"{len(shared)} of {len(records)} validation clips (e.g. {shared[0].path}) may have been trained on: the "
            f"data is not what this model was trained with (data hash {model.contract.data_hash}, now "
            f"{datamodule.manifest.data_hash}); leave out data.*, or give clips of other source videos"
        )


def _check_number(clips: int) -> None:
    if clips < FEW_CLIPS:
        raise DataError(f"{clips} validation clips are too few to calibrate on; expected at least {FEW_CLIPS}")


def calibrate_trained(checkpoint: Path, clips: ClipDataModule, *, tracker: "Tracker | None", console: Console) -> None:
    """Calibrate what a training has just ended with; a training does not fail where that is not possible."""
    if clips.config.trainer.resume and VideoActionModel.from_checkpoint(checkpoint).contract.is_calibrated:
        return  # resumed, and no epoch was better than the best one before
    if not clips.manifest.split("val", min_frames=clips.contract.min_frames):
        console.print("not calibrated: there are no validation clips (data.val_fraction)", highlight=False)
        return
    if (clips_there := len(clips.records("val"))) < MODEST_CLIPS:
        line = f"not calibrated: {clips_there} validation clips are few, and may not suit others; python commands.py"
        console.print(f"{line} calibrate does it all the same", highlight=False, soft_wrap=True)
        return
    try:
        found = calibrate_checkpoint(
            checkpoint, clips, target_risk=clips.config.evaluation.target_risk, console=console
        )
    except UserError as error:
        console.print(f"not calibrated: {error}", style="yellow", highlight=False, markup=False, soft_wrap=True)
        return
    show(found, checkpoint, console)
    if tracker:
        tracker.log_metrics(found.values())


def show(found: Calibrated, checkpoint: Path, console: Console) -> None:
    """Print what was skipped, and what was found."""
    for line in found.skipped:
        console.print(f"skipped: {line}", style="yellow", markup=False, highlight=False, soft_wrap=True)
    console.print(f"{checkpoint}: {found}", markup=False, highlight=False, soft_wrap=True)
    if found.clips < MODEST_CLIPS:
        caution = (
            "caution: so few validation clips may not suit other clips; the report of infer says how it does there"
        )
        console.print(caution, style="yellow", highlight=False, soft_wrap=True)
