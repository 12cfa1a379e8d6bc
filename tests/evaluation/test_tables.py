"""The files of an evaluation say what its figures say, and are enough to compute them again."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from helpers.judged_splits import figures_of, judged_split

from action_recognition.evaluation.examples import read_predictions
from action_recognition.evaluation.metrics import compute_metrics
from action_recognition.evaluation.tables import write_tables


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8", errors="surrogateescape") as file:
        return list(csv.DictReader(file))


def numbers(row: dict[str, str], *names: str) -> tuple[float, ...]:
    return tuple(float(row[name]) for name in names)


@pytest.mark.parametrize(("clips", "classes"), [(90, 2), (120, 9), (60, 1000), (1, 3)])
def test_files_hold_the_figures_with_all_their_digits(tmp_path: Path, clips: int, classes: int) -> None:
    judged = judged_split(clips, classes, temperature=1.7)
    predictions, records, contract = judged
    figures = figures_of(judged)
    written = write_tables(figures, records, predictions.outcomes, predictions.probability_NK, tmp_path)
    assert sorted(path.name for path in written) == sorted(path.name for path in tmp_path.iterdir())

    assert json.loads((tmp_path / "metrics.json").read_text()) == figures.flat()
    for row, found in zip(rows_of(tmp_path / "classes.csv"), figures.classes, strict=True):
        assert (row["class"], int(row["clips"]), int(row["correct"])) == (found.name, found.clips, found.correct)
        for name, estimate in (("accuracy", found.accuracy), ("precision", found.precision), ("f1", found.f1)):
            columns = (name, f"{name}_low", f"{name}_high")
            if estimate is None:
                assert [row[column] for column in columns] == [""] * 3
            else:
                assert numbers(row, *columns) == estimate
    for row, tag in zip(rows_of(tmp_path / "tags.csv"), figures.tags, strict=True):
        assert (row["tag"], row["value"], row["meaning"]) == (tag.tag, tag.value, tag.meaning)
        assert numbers(row, "top1", "top1_low", "top1_high") == tag.top1
    confusion = [[int(row[name]) for name in contract.class_names] for row in rows_of(tmp_path / "confusion.csv")]
    assert np.array_equal(confusion, figures.confusion_KK)
    for row, pair in zip(rows_of(tmp_path / "confused_pairs.csv"), figures.confused_pairs, strict=True):
        assert (row["label"], row["predicted"], *numbers(row, "clips", "share")) == (
            pair.label,
            pair.predicted,
            pair.clips,
            pair.share,
        )
    for row, one in zip(rows_of(tmp_path / "calibration.csv"), figures.calibration.bins, strict=True):
        assert numbers(row, "low", "high", "clips") == (one.low, one.high, one.clips)
        assert numbers(row, "confidence", "accuracy") == (one.confidence, one.accuracy) if one.clips else True
    points = [numbers(row, "threshold", "coverage", "risk") for row in rows_of(tmp_path / "risk_coverage.csv")]
    assert points == [(p.threshold, p.coverage, p.risk) for p in figures.risk_coverage.points]


def test_predictions_name_the_likeliest_classes_and_the_rank_of_the_label(tmp_path: Path) -> None:
    judged = judged_split(80, 7)
    predictions, records, contract = judged
    write_tables(figures_of(judged), records, predictions.outcomes, predictions.probability_NK, tmp_path)
    rows = rows_of(tmp_path / "predictions.csv")
    for row, record, probability_K in zip(rows, records, predictions.probability_NK, strict=True):
        order = sorted(range(7), key=lambda k: (-probability_K[k], k))
        named = [row["predicted"], *(row[f"predicted_{place}"] for place in range(2, 6))]
        assert named == [contract.class_names[k] for k in order[:5]]
        assert float(row["probability_3"]) == pytest.approx(probability_K[order[2]], abs=1e-6)
        label = contract.class_names.index(record.label)
        assert int(row["label_rank"]) == order.index(label) + 1
        assert float(row["label_probability"]) == pytest.approx(probability_K[label], abs=1e-6)
        assert row["none_of_these"] == str(bool(probability_K.max() < contract.threshold))
        assert (row["path"], row["source_video"], row["view"]) == (record.path, record.source_video, record.view)
    assert [row.path for row in read_predictions(tmp_path / "predictions.csv")] == [record.path for record in records]


def test_the_kept_probabilities_give_the_same_figures(tmp_path: Path) -> None:
    judged = judged_split(80, 7, temperature=0.6)
    predictions, records, _ = judged
    figures = figures_of(judged, resamples=30)
    write_tables(figures, records, predictions.outcomes, predictions.probability_NK, tmp_path)
    with np.load(tmp_path / "probabilities.npz") as kept:
        again = compute_metrics(kept["probability"], kept["label"], kept["source_video"].tolist(), resamples=30)
        assert again == figures.metrics
        assert kept["path"].tolist() == [record.path for record in records]
        assert tuple(kept["class_names"].tolist()) == figures.class_names


def test_a_table_of_an_earlier_evaluation_does_not_stay(tmp_path: Path) -> None:
    for tags in (True, False):
        judged = judged_split(20, 3, tags=tags)
        predictions, records, _ = judged
        write_tables(figures_of(judged), records, predictions.outcomes, predictions.probability_NK, tmp_path)
        assert (tmp_path / "tags.csv").is_file() == tags
    assert "view" not in rows_of(tmp_path / "predictions.csv")[0]
