"""Figures of evaluations that never were: any number of classes, with the values that plots and reports must bear."""

import numpy as np
from numpy.typing import NDArray

from action_recognition.evaluation.figures import (
    Calibration,
    ClassFigures,
    ConfusedPair,
    EvaluationFigures,
    Mistake,
    ReliabilityBin,
    RiskCoverage,
    RiskPoint,
    TagFigures,
)
from action_recognition.evaluation.intervals import Estimate
from action_recognition.evaluation.metrics import compute_metrics

HOSTILE_NAME = '<script>alert(1)</script> & "$x$" \x1b[2J 走る ' + "very_long_" * 12


def made_figures(
    class_names: tuple[str, ...], *, clips: int, tags: bool = True, temperature: float = 1.7, threshold: float = 0.4
) -> EvaluationFigures:
    """Figures of `clips` clips in four views; the last of more than two classes has no clip."""
    generator = np.random.default_rng(clips)
    classes = len(class_names)
    label_N = np.arange(clips) % (classes - 1 if classes > 2 else classes)
    logits_NK = generator.normal(size=(clips, classes)) + 3 * np.eye(classes)[label_N]
    probability_NK = np.exp(logits_NK) / np.exp(logits_NK).sum(axis=1, keepdims=True)
    sources = [f"source {number // 3}" for number in range(clips)]
    metrics = compute_metrics(probability_NK, label_N, sources, resamples=100)
    predicted_N, surest_N = probability_NK.argmax(axis=1), probability_NK.max(axis=1)
    confusion_KK = np.bincount(label_N * classes + predicted_N, minlength=classes**2).reshape(classes, classes)
    wrong = [int(n) for n in np.argsort(-surest_N) if predicted_N[n] != label_N[n]]
    return EvaluationFigures(
        class_names=class_names,
        views=4,
        metrics=metrics,
        clip_metrics=metrics,
        classes=tuple(_class(class_names[k], confusion_KK, k) for k in range(classes)),
        tags=tuple(
            _tag(*one)
            for one in (("camera", "cm", "moving"), ("camera", "nm", "still"), ("view", "ba", "back"))
            if tags
        ),
        confusion_KK=confusion_KK,
        confused_pairs=_pairs(class_names, confusion_KK),
        calibration=_calibration(temperature, surest_N, predicted_N == label_N),
        risk_coverage=_risk_coverage(threshold, surest_N, predicted_N != label_N),
        mistakes=tuple(
            Mistake(
                index=n,
                path=f"{class_names[label_N[n]][:40]}/{n}.avi",
                label=class_names[label_N[n]],
                predicted=class_names[predicted_N[n]],
                predicted_probability=float(surest_N[n]),
                label_probability=float(probability_NK[n, label_N[n]]),
            )
            for n in wrong
        ),
    )


def _around(value: float, half: float = 0.11) -> Estimate:
    return Estimate(value, max(0.0, value - half), min(1.0, value + half))


def _class(name: str, confusion_KK: NDArray[np.int64], k: int) -> ClassFigures:
    clips, predicted, correct = int(confusion_KK[k].sum()), int(confusion_KK[:, k].sum()), int(confusion_KK[k, k])
    return ClassFigures(
        name=name,
        clips=clips,
        sources=-(-clips // 3),
        predicted=predicted,
        correct=correct,
        accuracy=_around(correct / clips) if clips else None,
        precision=_around(correct / predicted) if predicted else None,
        f1=_around(2 * correct / (clips + predicted)) if clips + predicted else None,
    )


def _tag(tag: str, value: str, meaning: str) -> TagFigures:
    return TagFigures(tag=tag, value=value, meaning=meaning, clips=40, sources=13, top1=_around(len(meaning) / 9))


def _pairs(class_names: tuple[str, ...], confusion_KK: NDArray[np.int64]) -> tuple[ConfusedPair, ...]:
    wrong_KK = confusion_KK - np.diag(confusion_KK.diagonal())
    pairs = sorted(zip(*np.nonzero(wrong_KK), strict=True), key=lambda pair: -int(wrong_KK[pair]))
    total_K = confusion_KK.sum(axis=1)
    return tuple(
        ConfusedPair(
            label=class_names[row],
            predicted=class_names[column],
            clips=int(wrong_KK[row, column]),
            share=float(wrong_KK[row, column] / total_K[row]),
        )
        for row, column in pairs
    )


def _calibration(temperature: float, surest_N: NDArray[np.floating], right_N: NDArray[np.bool_]) -> Calibration:
    bins = []
    for number in range(15):
        low, high = number / 15, (number + 1) / 15
        inside = (surest_N > low) & (surest_N <= high)
        clips = int(inside.sum())
        confidence, accuracy = (float(values[inside].mean()) if clips else 0.0 for values in (surest_N, right_N))
        bins.append(ReliabilityBin(low=low, high=high, clips=clips, confidence=confidence, accuracy=accuracy))
    return Calibration(
        temperature=temperature,
        error=_around(0.0312, 0.02),
        uncalibrated_error=_around(0.124, 0.05),
        log_loss=Estimate(1.23456789, 1.1, 1.4),
        uncalibrated_log_loss=Estimate(1.7, 1.5, 1.9),
        bins=tuple(bins),
        uncalibrated_bins=tuple(bins),
    )


def _risk_coverage(threshold: float, surest_N: NDArray[np.floating], wrong_N: NDArray[np.bool_]) -> RiskCoverage:
    order = np.argsort(-surest_N)
    answered_N = np.arange(1, len(order) + 1)
    risk_N = np.cumsum(wrong_N[order]) / answered_N
    coverage_N = answered_N / len(order)
    points = [
        RiskPoint(threshold=float(surest_N[order][n]), coverage=float(coverage_N[n]), risk=float(risk_N[n]))
        for n in range(len(order))
    ]
    answered = surest_N >= threshold
    return RiskCoverage(
        threshold=threshold,
        coverage=_around(float(answered.mean())),
        risk=_around(float(wrong_N[answered].mean())) if answered.any() else None,
        area=_around(float(risk_N.mean())),
        points=tuple(reversed(points)),
    )
