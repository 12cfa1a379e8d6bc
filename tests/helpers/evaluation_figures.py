"""Evaluations without a model or videos: figures, computed as ever, of made-up logits for any number of classes."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from helpers.tiny_models import tiny_contract

from action_recognition.datasets.records import ClipRecord
from action_recognition.evaluation.compute import compute_figures
from action_recognition.evaluation.figures import EvaluationFigures
from action_recognition.evaluation.predictions import Accumulator, SplitPredictions

HOSTILE_NAME = '<script>alert(1)</script> & "$x$" \u202e 走る ' + "very_long_" * 12
HOSTILE_PATH = "<script>alert(2)</script>\x1b[2J\udcff&'#"


class MadeEvaluation(NamedTuple):
    figures: EvaluationFigures
    records: list[ClipRecord]
    predictions: SplitPredictions


def made_names(classes: int) -> tuple[str, ...]:
    return (HOSTILE_NAME, *(f"class_{number}" for number in range(1, classes)))


def made_evaluation(
    classes: int,
    *,
    clips: int,
    views: int = 2,
    tags: bool = True,
    temperature: float = 1.7,
    threshold: float = 0.4,
    strength: float = 3.0,
) -> MadeEvaluation:
    """Clips of three to a source video; the last of more than two classes has no clip.

    Args:
        strength: how much larger the label's logit is than the others', in their standard deviations.
    """
    generator = np.random.default_rng(clips)
    label_N = np.arange(clips) % (classes - 1 if classes > 2 else classes)
    contract = tiny_contract(class_names=made_names(classes), temperature=temperature, threshold=threshold)
    seen = Accumulator(label_N, classes, temperature)
    for place, label in enumerate(label_N.tolist()):
        logits_VK = generator.normal(size=(views, classes)) + generator.normal(size=classes)
        logits_VK[:, label] += strength
        seen.add(place, logits_VK)
    records = [
        ClipRecord(
            path=f"{HOSTILE_PATH}/{number}.avi",
            label=contract.class_names[label],
            split="test",
            source_video=f"source {number // 3}",
            camera=("cm", "nm")[number % 2] if tags else "",
            view=("fr", "ba", "le")[number % 3] if tags else "",
            people=str(1 + number % 2) if tags else "",
            frames=20,
        )
        for number, label in enumerate(label_N.tolist())
    ]
    predictions = seen.result()
    return MadeEvaluation(compute_figures(predictions, records, contract, resamples=50), records, predictions)


def made_figures(classes: int, *, clips: int, **options: float | bool) -> EvaluationFigures:
    return made_evaluation(classes, clips=clips, **options).figures  # type: ignore[arg-type]


def without_threshold(figures: EvaluationFigures) -> EvaluationFigures:
    return replace(figures, risk_coverage=replace(figures.risk_coverage, threshold=0.0))
