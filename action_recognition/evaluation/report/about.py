"""What a report says about an evaluation beside its figures: what limits them, and how they were made."""

import platform
import shlex
from collections.abc import Iterator, Sequence
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

from action_recognition.config import Config
from action_recognition.contract import ClipContract
from action_recognition.datasets.records import Manifest
from action_recognition.evaluation.figures import EvaluationFigures
from action_recognition.evaluation.report.page import About
from action_recognition.models.module import VideoActionModel
from action_recognition.tracking.run_folders import data_title
from action_recognition.utils.devices import device_name
from action_recognition.utils.program import program
from action_recognition.utils.redaction import redacted_values
from action_recognition.utils.text import first_names

FEW_CLIPS = 10


def about_evaluation(
    config: Config,
    checkpoint: Path,
    *,
    model: VideoActionModel,
    manifest: Manifest,
    figures: EvaluationFigures,
    headline: str,
    errors: Sequence[str],
    leaking: int,
) -> About:
    """What is known when the figures are there.

    Args:
        headline: of the plots.
        errors: a line for each clip that was skipped.
        leaking: how many clips are of source videos that the model was trained on.
    """
    return About(
        data=data_title(config.data),
        split=config.evaluation.split,
        headline=headline,
        cautions=tuple(_cautions(config, figures, errors=errors, leaking=leaking)),
        made=dict(_made(config, checkpoint, model, manifest, figures)),
    )


def _cautions(config: Config, figures: EvaluationFigures, *, errors: Sequence[str], leaking: int) -> Iterator[str]:
    metrics = figures.metrics
    if leaking:
        yield (
            f"{leaking:,} of the {metrics.clips:,} clips come from source videos that the model was trained on: "
            "the scores are too high for new videos."
        )
    if config.evaluation.split == "val":
        yield "These are validation clips, which chose the checkpoint: the scores are too high for new videos."
    if metrics.caution:
        caution = metrics.caution.removeprefix("caution: ")
        yield f"{caution[0].upper()}{caution[1:]}."
    full, split = config.data.full_set, config.data.split
    if full is not None and split is not None and config.evaluation.split == "test":
        listed = full.test[split - 1]
        if metrics.clips < listed:
            present = sum(one.clips > 0 for one in figures.classes)
            yield (
                f"The official split has {listed:,} test clips of {full.classes} classes, and these are "
                f"{metrics.clips:,} of {present} classes: the scores do not compare with published ones."
            )
    if errors:
        yield f"{len(errors):,} clips could not be read and were left out, such as {errors[0]}."
    if empty := [one.name for one in figures.classes if not one.clips]:
        yield f"No clips of {len(empty):,} of {len(figures.classes):,} classes: {first_names(empty)}."
    if few := [one for one in figures.classes if 0 < one.clips < FEW_CLIPS]:
        yield (
            f"{len(few):,} of {len(figures.classes):,} classes have fewer than {FEW_CLIPS} clips: "
            "their scores say little about the class."
        )


def _made(
    config: Config, checkpoint: Path, model: VideoActionModel, manifest: Manifest, figures: EvaluationFigures
) -> Iterator[tuple[str, str]]:
    contract: ClipContract = model.contract
    yield "command", f"{program()} infer {shlex.join(redacted_values(list(config.overrides)))}".strip()
    yield "checkpoint", str(checkpoint)
    yield "network", str(model.hparams["model"]["network"])
    yield "data", f"{data_title(config.data)}, hash {manifest.data_hash}"
    if contract.data_hash and contract.data_hash != manifest.data_hash:
        yield "trained on", f"other data, hash {contract.data_hash}"
    yield "clips", f"{figures.metrics.clips:,} from {figures.metrics.groups:,} source videos"
    views = f"{config.data.test_clips} x {config.data.test_crops}"
    yield "views of a clip", f"{views} (places in time x crops), probabilities averaged"
    size = f"{contract.size} x {contract.size} pixels"
    yield "a view", f"{contract.frames} frames at stride {contract.stride}, {size}"
    yield "temperature, threshold", f"{contract.temperature:.4g}, {contract.threshold:.4g}"
    yield "computed on", device_name(model.device)
    names = ("action-recognition", "torch", "numpy")
    versions = ", ".join(f"{name} {version(name)}" for name in names)
    yield "versions", f"{versions}, Python {platform.python_version()}"
    yield "date", datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z")
