"""The files of an evaluation for programs: figures as JSON and CSV, and all probabilities.

Figures have all their digits, so that they are found again, equal, wherever they are shown.
"""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from action_recognition.datasets.records import NAMES_AS_THEY_ARE, ClipRecord
from action_recognition.evaluation.figures import EvaluationFigures
from action_recognition.evaluation.intervals import Estimate
from action_recognition.evaluation.outcomes import Outcomes, blocks
from action_recognition.evaluation.tags import TAGS
from action_recognition.utils.files import replace_file, replacing

# How many of the likeliest classes predictions.csv names.
LIKELIEST = 5
# What `dvc exp show` has columns for.
KEY_FIGURES = (
    *("top1", "top1_low", "top1_high", "top5", "mean_class_accuracy", "f1_macro", "log_loss", "calibration_error"),
    *("coverage", "risk", "clips"),
)
Row = Sequence[object]


def write_tables(
    figures: EvaluationFigures,
    records: Sequence[ClipRecord],
    outcomes: Outcomes,
    probability_NK: NDArray[np.float32],
    directory: Path,
    *,
    key: str = "",
) -> tuple[Path, ...]:
    """Write every figure and every prediction; files of an earlier evaluation are replaced or removed.

    Args:
        records, outcomes, probability_NK: of the N clips, in one order.
        key: of the evaluation, see `stored.evaluation_key`.

    Returns:
        The files: `metrics.json`, of it `key_figures.json`, `predictions.csv`, `probabilities.npz`, and a CSV file for
        each kind of figure. Data without tags have no `tags.csv`.
    """
    tables = {
        "predictions": prediction_rows(figures, records, outcomes, probability_NK),
        "classes": class_rows(figures),
        "tags": tag_rows(figures),
        "confusion": confusion_rows(figures),
        "confused_pairs": pair_rows(figures),
        "calibration": calibration_rows(figures),
        "risk_coverage": risk_rows(figures),
    }
    written = [directory / "probabilities.npz", directory / "key_figures.json"]
    write_probabilities(written[0], figures.class_names, records, outcomes, probability_NK, key=key)
    replace_file(written[1], metrics_json(figures, KEY_FIGURES))
    for name, rows in tables.items():
        path = directory / f"{name}.csv"
        if name == "tags" and not figures.tags:
            path.unlink(missing_ok=True)
            continue
        write_csv(path, rows)
        written.append(path)
    metrics = directory / "metrics.json"  # the last: where it is new, so is everything else
    replace_file(metrics, metrics_json(figures))
    return (*written, metrics)


def metrics_json(figures: EvaluationFigures, names: Sequence[str] | None = None) -> bytes:
    """The content of `metrics.json`: flat, as DVC reads it. Of figures with certain names if they are given."""
    values = figures.flat()
    chosen = values if names is None else {name: values[name] for name in names if name in values}
    return (json.dumps(chosen, indent=2) + "\n").encode()


def write_csv(path: Path, rows: Iterable[Row]) -> None:
    """Write rows, the first of which names the columns; a missing value (None) is an empty cell."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    replace_file(path, text.getvalue().encode(errors=NAMES_AS_THEY_ARE))


def write_probabilities(
    path: Path,
    class_names: Sequence[str],
    records: Sequence[ClipRecord],
    outcomes: Outcomes,
    probability_NK: NDArray[np.float32],
    *,
    key: str = "",
) -> None:
    """Write what any other figure can be computed from, to be read by `numpy.load`.

    `probability` is float32 `[N, K]`, calibrated and averaged over views; `label` `[N]` are class numbers, 0 to K - 1;
    `path` `[N]`, `source_video` `[N]` and `class_names` `[K]` are texts, and so is `key`, see `stored.evaluation_key`.
    """
    with replacing(path) as partial:
        np.savez_compressed(
            partial,
            probability=probability_NK,
            label=outcomes.label_N,
            path=np.array([record.path for record in records], dtype=np.str_),
            source_video=np.array([record.source_video for record in records], dtype=np.str_),
            class_names=np.array(class_names, dtype=np.str_),
            key=np.array(key),
        )


def prediction_rows(
    figures: EvaluationFigures,
    records: Sequence[ClipRecord],
    outcomes: Outcomes,
    probability_NK: NDArray[np.float32],
) -> Iterator[Row]:
    """A row per clip: labels, probabilities, the rank of the true label (1 is right), the likeliest classes, tags."""
    names, likeliest = figures.class_names, min(LIKELIEST, outcomes.classes)
    more = [f"{name}_{place}" for place in range(2, likeliest + 1) for name in ("predicted", "probability")]
    tags = list(TAGS) if figures.tags else []
    judged = ("label_rank", "label_probability", "none_of_these")
    yield ("path", "source_video", "label", "predicted", "probability", *judged, *more, *tags)
    for rows in blocks(len(records), outcomes.classes):
        order_BL = np.argsort(-probability_NK[rows], axis=1, kind="stable")[:, :likeliest]
        share_BL = np.take_along_axis(probability_NK[rows], order_BL, axis=1)
        for place, record, numbers, shares in zip(
            range(rows.start, rows.stop), records[rows], order_BL.tolist(), share_BL.tolist(), strict=True
        ):
            named = [(names[number], f"{share:.6f}") for number, share in zip(numbers, shares, strict=True)]
            of_label = (outcomes.rank_N[place] + 1, f"{outcomes.label_probability_N[place]:.6f}")
            is_none = float(outcomes.confidence_N[place]) < figures.risk_coverage.threshold
            others = [text for pair in named[1:] for text in pair]
            given = [getattr(record, tag) for tag in tags]
            yield (record.path, record.source_video, record.label, *named[0], *of_label, is_none, *others, *given)


def class_rows(figures: EvaluationFigures) -> Iterator[Row]:
    scores = ("accuracy", "precision", "f1")
    columns = [f"{score}{bound}" for score in scores for bound in ("", "_low", "_high")]
    yield ("class", "clips", "source_videos", "predicted", "correct", *columns, "caution")
    for row in figures.classes:
        counts = (row.clips, row.sources, row.predicted, row.correct)
        yield (row.name, *counts, *_cells(row.accuracy), *_cells(row.precision), *_cells(row.f1), row.caution)


def tag_rows(figures: EvaluationFigures) -> Iterator[Row]:
    yield ("tag", "value", "meaning", "clips", "source_videos", "top1", "top1_low", "top1_high", "caution")
    for row in figures.tags:
        yield (row.tag, row.value, row.meaning, row.clips, row.sources, *row.top1, row.caution)


def confusion_rows(figures: EvaluationFigures) -> Iterator[Row]:
    """Counts of clips: a row per true class, a column per predicted class."""
    yield ("class", *figures.class_names)
    for name, counts_K in zip(figures.class_names, figures.confusion_KK, strict=True):
        yield (name, *counts_K.tolist())


def pair_rows(figures: EvaluationFigures) -> Iterator[Row]:
    yield ("label", "predicted", "clips", "share")
    for pair in figures.confused_pairs:
        yield (pair.label, pair.predicted, pair.clips, pair.share)


def calibration_rows(figures: EvaluationFigures) -> Iterator[Row]:
    """A row per bin of confidence; a bin without clips has no means."""
    names = ("clips", "confidence", "accuracy")
    yield ("low", "high", *names, *(f"uncalibrated_{name}" for name in names))
    bins = figures.calibration.bins, figures.calibration.uncalibrated_bins
    for both in zip(*bins, strict=True):
        means = [(one.clips, *((one.confidence, one.accuracy) if one.clips else (None, None))) for one in both]
        yield (both[0].low, both[0].high, *means[0], *means[1])


def risk_rows(figures: EvaluationFigures) -> Iterator[Row]:
    yield ("threshold", "coverage", "risk")
    for point in figures.risk_coverage.points:
        yield (point.threshold, point.coverage, point.risk)


def _cells(estimate: Estimate | None) -> Sequence[float | None]:
    return (None, None, None) if estimate is None else estimate
