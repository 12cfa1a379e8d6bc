"""The plots of an evaluation: what is on them, that nothing is cut off, and their files."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers.drawn_figures import assert_nothing_is_cut_off, kept_figures, texts
from helpers.evaluation_figures import HOSTILE_NAME, made_figures
from matplotlib.figure import Figure

from action_recognition.evaluation.report.class_plots import LONGEST_CLASS_NAME, OTHERS, most_confused
from action_recognition.evaluation.report.plots import write_plots
from action_recognition.reports.figures import DPI
from action_recognition.utils.text import printable, shortened

TITLE = "hmdb51-r3d_18-20261121-143015: best.ckpt on hmdb51, split 1, 1530 test clips\ntop-1 58.1 % (52.0 - 63.9)"


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Figure]]:
    with kept_figures(monkeypatch) as figures:
        yield figures


@pytest.mark.parametrize(("classes", "clips"), [(1, 4), (8, 200), (51, 400)])
def test_nothing_is_cut_off_and_every_plot_names_the_run(drawn: list[Figure], classes: int, clips: int) -> None:
    figures = made_figures(classes, clips=clips)
    write_plots(figures, Path("x"), title=TITLE)
    assert len(drawn) == 5
    for figure in drawn:
        assert_nothing_is_cut_off(figure)
        heading = figure.get_suptitle().replace("\n", " ")
        assert "hmdb51, split 1" in heading
        assert "58.1 %" in heading
    confusion, accuracy = map(texts, drawn[:2])
    correct, total = int(figures.confusion_KK[0, 0]), int(figures.confusion_KK[0].sum())
    assert str(correct) in confusion
    assert f"{shortened(printable(HOSTILE_NAME), LONGEST_CLASS_NAME)} ({total})" in confusion
    assert f"{correct} of {total}" in accuracy


def test_a_class_without_clips_has_no_bar(drawn: list[Figure]) -> None:
    write_plots(made_figures(3, clips=9), Path("x"), title="t")
    assert {"class_1"} <= texts(drawn[1])
    assert "class_2" not in texts(drawn[1])


def test_no_threshold_no_calibration_and_an_answer_to_nothing_can_be_drawn(drawn: list[Figure]) -> None:
    figures = made_figures(2, clips=30, tags=False, temperature=1.0, threshold=0.0)
    write_plots(figures, Path("x"), title="t")
    assert len(drawn) == 4
    assert "before calibration" not in texts(drawn[2])
    assert not any("threshold" in text for text in texts(drawn[3]))
    nothing = replace(figures.risk_coverage, threshold=0.999, risk=None)
    write_plots(replace(figures, risk_coverage=nothing), Path("x"), title="t")


def test_of_a_thousand_classes_the_most_confused_are_kept_and_no_clip_is_lost() -> None:
    generator = np.random.default_rng(0)
    matrix_KK = np.diag(generator.integers(1, 9, 1000))
    matrix_KK[700, 3] = 50
    matrix_KK[3, 900] = 40
    matrix_SS, shown = most_confused(matrix_KK, [str(n) for n in range(1000)])
    assert matrix_SS.shape == (60, 60)
    assert shown[-1] == OTHERS
    assert matrix_SS.sum() == matrix_KK.sum()
    assert matrix_SS[shown.index("700"), shown.index("3")] == 50
    assert matrix_SS[shown.index("3"), shown.index("900")] == 40
    assert matrix_SS[-1, -1] == sum(matrix_KK[n, n] for n in range(1000) if str(n) not in shown)


def test_files_are_small_name_no_date_and_can_be_opened(tmp_path: Path) -> None:
    figures = made_figures(1000, clips=2000)
    (tmp_path / "tags.svg").write_text("of an earlier evaluation")
    plots = write_plots(replace(figures, tags=()), tmp_path, title=TITLE)
    assert {path.name for path in tmp_path.iterdir()} == {
        path.with_suffix(suffix).name for path in plots for suffix in (".png", ".svg")
    }
    for path in plots:
        svg = path.with_suffix(".svg").read_text()
        assert len(svg) < 500_000
        assert "<script" not in svg
        assert "<dc:date>" not in svg
        width_and_height = np.frombuffer(path.read_bytes()[16:24], ">u4")
        assert max(width_and_height) < 30 * DPI
    assert "class_1" in (tmp_path / "confusion_matrix.svg").read_text()
