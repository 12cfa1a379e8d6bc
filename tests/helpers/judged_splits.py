"""Predictions of a split as an evaluation collects them, of random logits that lean to the label."""

import numpy as np

from action_recognition.contract import ClipContract
from action_recognition.datasets.records import ClipRecord
from action_recognition.evaluation.compute import compute_figures
from action_recognition.evaluation.figures import EvaluationFigures
from action_recognition.evaluation.predictions import Accumulator, SplitPredictions

Judged = tuple[SplitPredictions, list[ClipRecord], ClipContract]


def judged_split(
    clips: int,
    classes: int,
    *,
    views: int = 2,
    sources: int = 12,
    temperature: float = 1.0,
    tags: bool = True,
    present: int | None = None,
    seed: int = 0,
) -> Judged:
    """Clips of the first `present` classes (None: all), from `sources` source videos, with their records and contract.

    One class name is neither ASCII nor short, and one path is no UTF-8.
    """
    generator = np.random.default_rng(seed)
    names = tuple(sorted(["läuft 跑 " * 12, *(f"class_{k:04d}" for k in range(1, classes))]))
    label_N = generator.integers(0, present or classes, size=clips)
    seen = Accumulator(label_N, classes, temperature)
    for place in generator.permutation(clips).tolist():
        logits_VK = generator.normal(size=(views, classes))
        logits_VK[:, label_N[place]] += 2
        seen.add(place, logits_VK.astype(np.float32))
    values = {"view": "frbale", "camera": "nmcm", "quality": "goobad", "visible_body": "fu", "people": "12"}
    records = [
        ClipRecord(
            path=f"{names[label]}/{place}_\udcff.avi",
            label=names[label],
            split="test",
            source_video=f"film {generator.integers(sources)}",
            **{name: _some(generator, name, text) for name, text in values.items() if tags},
        )
        for place, label in enumerate(label_N.tolist())
    ]
    contract = ClipContract(
        frames=8,
        stride=1,
        short_side=32,
        size=32,
        mean=(0.0,) * 3,
        std=(1.0,) * 3,
        class_names=names,
        temperature=temperature,
        threshold=min(1.2 / classes, 1.0),
    )
    return seen.result(), records, contract


def figures_of(judged: Judged, resamples: int = 50) -> EvaluationFigures:
    return compute_figures(*judged, resamples=resamples)


def _some(generator: np.random.Generator, name: str, text: str) -> str:
    width = {"view": 2, "camera": 2, "quality": 3}.get(name, 1)
    first = width * int(generator.integers(len(text) // width))
    return text[first : first + width]
