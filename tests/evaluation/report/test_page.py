"""The report of an evaluation: its numbers are those of the files beside it, for any number of classes and any name."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest
from helpers.chromium import chromium, show
from helpers.evaluation_figures import HOSTILE_NAME, MadeEvaluation, made_evaluation
from helpers.html_pages import Page
from helpers.support import moving_square, write_video

from action_recognition.evaluation.report.page import About, write_report
from action_recognition.evaluation.report.verdict import verdict
from action_recognition.evaluation.report.worst_mistakes import choose_mistakes
from action_recognition.evaluation.tables import write_tables

ABOUT = About(
    data="<b>data</b>, split 1",
    split="test",
    headline="run <b>: best.ckpt on data\ntop-1",
    cautions=("a <b>caution</b>",),
    made={"command": "python commands.py infer 'a=<script>'" + "x" * 300},
)


def written(made: MadeEvaluation, folder: Path, *, videos_dir: Path = Path("nowhere")) -> Path:
    """The report beside the CSV and JSON files."""
    outcomes, probability_NK = made.predictions.outcomes, made.predictions.probability_NK
    write_tables(made.figures, made.records, outcomes, probability_NK, folder)
    return write_report(made.figures, made.records, folder, videos_dir=videos_dir, about=ABOUT)[0]


def values_of_files(folder: Path) -> dict[str, float]:
    """Every number of the JSON and CSV files by the key that a page gives it: file, row, column."""
    found = {f"metrics.json/{name}": value for name, value in json.loads((folder / "metrics.json").read_text()).items()}
    rows_named_by = {"classes": 1, "tags": 2, "confused_pairs": 2, "predictions": 1}
    for name, columns in rows_named_by.items():
        path = folder / f"{name}.csv"
        if not path.exists():
            continue
        with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
            head, *rows = csv.reader(file)
        for row in rows:
            for column, cell in zip(head[columns:], row[columns:], strict=True):
                try:
                    found["/".join((path.name, *row[:columns], column))] = float(cell)
                except ValueError:
                    continue
    return found


def shown_names(values: dict[str, float]) -> dict[str, float]:
    """As a page shows the names in keys: nothing of them moves the cursor or hides text."""
    from action_recognition.utils.text import printable

    return {printable(key): value for key, value in values.items()}


@pytest.mark.parametrize(("classes", "clips"), [(2, 40), pytest.param(51, 1530, marks=pytest.mark.slow), (1000, 2500)])
def test_every_number_of_the_page_is_found_equal_in_the_files(tmp_path: Path, classes: int, clips: int) -> None:
    text = written(made_evaluation(classes, clips=clips), tmp_path).read_text()
    page, values = Page(text, scripts=1), shown_names(values_of_files(tmp_path))
    assert page.open == []
    assert page.values.keys() - values.keys() == set()
    assert {key: found for key, found in page.values.items() if found != {values[key]}} == {}
    scores = {key for key in values if key.startswith("metrics.json/") and not key.endswith(("area", "_high", "_low"))}
    more = {"groups", "views", "temperature"}
    assert {key.partition("/")[2] for key in scores - page.values.keys()} <= more | {"uncalibrated_log_loss"}
    shown = min(classes, 50 if classes > 100 else classes)
    assert sum(key.endswith("/f1") for key in page.values) in (shown, shown - 1)  # of a class without clips
    assert len(text) < 2_000_000
    assert all(path.stat().st_size < 500_000 for path in tmp_path.glob("*.svg"))


def test_the_page_needs_no_network_and_takes_no_name_for_a_tag(tmp_path: Path) -> None:
    made = made_evaluation(3, clips=30, strength=1.0)
    folder = tmp_path / "videos"
    mistake = made.figures.mistakes[0]
    video = write_video(folder / "plain.avi", moving_square(20))
    records = list(made.records)
    records[mistake.index] = replace(records[mistake.index], path=video.name)
    text = written(made._replace(records=records), tmp_path / "out", videos_dir=folder).read_text()
    page = Page(text, scripts=1)
    assert page.open == []
    assert page.scripts == 0
    assert all(address.startswith("data:image/jpeg;base64,/9j/") for address in page.fetched)
    assert len(page.fetched) == 1  # the other videos are not there, and the page says so
    assert "no video file here" in text
    assert "http" not in text
    assert "\x1b" not in text
    assert page.headings[0] == 1
    assert all(below - above <= 1 for above, below in zip(page.headings, page.headings[1:], strict=False))
    assert page.without_alt == []
    assert (tmp_path / "out" / "worst_mistakes.jpg").read_bytes().startswith(b"\xff\xd8")


def test_a_model_that_is_always_right_has_neither_confusions_nor_mistakes(tmp_path: Path) -> None:
    (tmp_path / "worst_mistakes.jpg").write_bytes(b"of an earlier evaluation")
    made = made_evaluation(2, clips=20, views=1, strength=50.0, tags=False, temperature=1.0, threshold=0.0)
    text = written(made, tmp_path).read_text()
    assert not (tmp_path / "worst_mistakes.jpg").exists()
    assert "It makes no mistake on them" in text
    assert "no temperature has been fitted" in text
    assert 'no threshold for "none of these"' in text.replace("&#34;", '"')
    for gone in ("By tag", "Worst mistakes", "single views", "before calibration"):
        assert gone not in text


def test_a_threshold_that_refuses_everything_is_said(tmp_path: Path) -> None:
    text = written(made_evaluation(2, clips=20, threshold=1.0, strength=0.1), tmp_path).read_text()
    assert "so it answers nothing here" in text


@pytest.mark.parametrize(("temperature", "strength", "worse"), [(5.0, 4.0, True), (1.0, 4.0, False)])
def test_a_calibration_that_made_probabilities_worse_is_said(temperature: float, strength: float, worse: bool) -> None:
    figures = made_evaluation(5, clips=200, temperature=temperature, strength=strength).figures
    said = str(verdict(figures, split="test"))
    assert (figures.calibration.error.value > figures.calibration.uncalibrated_error.value) is worse
    assert ("made it worse here" in said) is worse


def test_mistakes_come_from_other_sources_and_pairs_first() -> None:
    made = made_evaluation(4, clips=200, strength=1.0)
    mistakes = made.figures.mistakes
    chosen = choose_mistakes(mistakes, made.records, most=12)
    assert chosen[0] == mistakes[0]
    assert [one.predicted_probability for one in chosen] == sorted(
        (one.predicted_probability for one in chosen), reverse=True
    )
    assert len({made.records[one.index].source_video for one in chosen}) == 12
    pairs = {(one.label, one.predicted) for one in mistakes}
    assert {(one.label, one.predicted) for one in chosen} == pairs
    assert choose_mistakes(mistakes[:2], made.records, most=12) == list(mistakes[:2])


@pytest.mark.skipif(chromium() is None, reason="no Chromium on this machine")
def test_a_phone_shows_the_page_without_scrolling_sideways_and_a_click_sorts(tmp_path: Path) -> None:
    path = written(made_evaluation(9, clips=90), tmp_path)
    sort = """
    [document.documentElement.scrollWidth, (() => {
      const table = document.querySelector("table.sortable"), button = table.tHead.querySelectorAll("button")[1];
      const column = () => [...table.tBodies[0].rows].map(row => row.cells[2].querySelector("data")?.value ?? null);
      const once = (button.click(), column()), twice = (button.click(), column());
      return [once, twice];
    })()]
    """
    width, (once, twice) = show(path, sort, width=390)
    assert width <= 390
    rising = [float(value) for value in once if value is not None]
    assert rising == sorted(rising)
    falling = [float(value) for value in twice if value is not None]
    assert falling == sorted(rising, reverse=True)
    assert HOSTILE_NAME.split()[0].replace("<", "&lt;").replace(">", "&gt;") in path.read_text()
