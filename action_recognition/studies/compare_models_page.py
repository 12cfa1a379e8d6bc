"""The page of `compare-models`, with its plot and its pictures of clips."""

from collections.abc import Iterator, Mapping, Sequence
from math import isnan

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from action_recognition.evaluation.intervals import Estimate
from action_recognition.evaluation.metrics import METRICS, Metric
from action_recognition.reports import page
from action_recognition.reports.figures import BLUE, SOFT
from action_recognition.studies.compare_models import ModelComparison, difference_numbers
from action_recognition.studies.differences import Pair

JSON, CLIPS, CLASSES = "comparison.json", "clips.csv", "classes.csv"
MOST_CLASSES = 5  # that a table lists
INDEPENDENT = (
    "It takes clips as independent. Those of one source video look alike, so it makes differences look surer than they "
    "are; the intervals, which are over source videos, do not."
)


def page_blocks(
    found: ModelComparison,
    plot: page.Plot,
    shown: Mapping[str, Sequence[int]],
    pictures: Mapping[int, bytes | None],
) -> Iterator[page.Block]:
    """Verdict, scores, clips and classes.

    Args:
        shown: clips that only A gets right, and those that only B does, see `disagreements`.
        pictures: a JPEG of each clip shown; None for one that cannot be decoded.
    """
    yield page.Heading("Two models on the same clips", level=1)
    yield page.Paragraph(f"{found.verdict[0].upper()}{found.verdict[1:]}.", tone="lead")
    yield page.Bullets([f"A: {found.names[0]}", f"B: {found.names[1]}", found.clips_text, *found.remarks])
    yield page.Heading("Scores")
    marked = frozenset(number for number, name in enumerate(found.scores) if name == found.metric)
    rows = [_score_row(name, pair) for name, pair in found.scores.items()]
    yield page.Paragraph(
        "Differences of shares are in percentage points, with their 95 % intervals over source videos below."
    )
    yield page.Table(("score", "A", "B", "B - A"), rows, wide=frozenset({"score"}), marked=marked)
    yield plot
    yield from _agreement_blocks(found)
    yield from _class_blocks(found)
    for letter, indices in shown.items():
        yield from _picture_blocks(found, letter, indices, pictures)


def disagreements(found: ModelComparison, *, right: str) -> list[int]:
    """The clips that only A, or only B, labels right, the clearest first; one of each source video in front."""
    judged, rows = found.judged, np.arange(len(found.judged.label_N))
    of_right, of_wrong = judged.first_NK, judged.second_NK
    if right == "B":
        of_right, of_wrong = of_wrong, of_right
    is_only_N = (of_right.argmax(axis=1) == judged.label_N) & (of_wrong.argmax(axis=1) != judged.label_N)
    gain_N = of_right[rows, judged.label_N] - of_wrong[rows, judged.label_N]
    ordered = sorted(
        np.flatnonzero(is_only_N).tolist(), key=lambda index: (-float(gain_N[index]), found.records[index].path)
    )
    turns: list[int] = []  # how many clips of the same source video come before
    sources: dict[str, int] = {}
    for index in ordered:
        turns.append(sources.get(judged.groups[index], 0))
        sources[judged.groups[index]] = turns[-1] + 1
    return [index for _, index in sorted(zip(turns, ordered, strict=True), key=lambda pair: pair[0])]


def caption(found: ModelComparison, index: int) -> str:
    """`wave: only B right; A walk 51 %, B wave 83 %`."""
    judged = found.judged
    said, right = [], []
    for letter, probability_NK in (("A", judged.first_NK), ("B", judged.second_NK)):
        best = int(probability_NK[index].argmax())
        said.append(f"{letter} {found.class_names[best]} {100 * probability_NK[index, best]:.0f}\N{NO-BREAK SPACE}%")
        right += [letter] if best == judged.label_N[index] else []
    return f"{found.records[index].label}: only {''.join(right)} right; {', '.join(said)}"


def draw_differences(found: ModelComparison) -> Figure:
    """The difference of each share with its interval, beside the line of no difference."""
    all_rows = [(METRICS[name], pair.difference) for name, pair in found.scores.items()]
    rows = [(metric, difference) for metric, difference in all_rows if metric.is_share and not isnan(difference.value)]
    figure, axis = plt.subplots(figsize=(4.2, 0.9 + 0.3 * len(rows)), layout="constrained")
    axis.axvline(0, color=SOFT, linewidth=1)
    for place, (_, difference) in enumerate(rows):
        axis.plot([100 * difference.low, 100 * difference.high], [place, place], color=BLUE, linewidth=2, alpha=0.6)
        axis.plot(100 * difference.value, place, "o", color=BLUE, markersize=5)
    axis.set_yticks(range(len(rows)), [score_label(metric) for metric, _ in rows], fontsize=8)
    axis.set_ylim(len(rows) - 0.4, -0.6)
    axis.set_xlabel("B - A, in percentage points")
    axis.grid(axis="x", alpha=0.5)
    return figure


def score_text(estimate: Estimate, metric: Metric) -> str:
    return "not defined" if isnan(estimate.value) else metric.text(estimate.value)


def score_label(metric: Metric) -> str:
    return metric.label if metric.higher_is_better else f"{metric.label} (lower is better)"


def _score_row(name: str, pair: Pair) -> tuple[page.Cell, ...]:
    metric, key = METRICS[name], f"{JSON}/scores/{name}"
    first = page.Number(score_text(pair.first, metric), pair.first.value, f"{key}/A")
    second = page.Number(score_text(pair.second, metric), pair.second.value, f"{key}/B")
    value, interval = difference_numbers(pair.difference, metric)
    difference = page.Number(value, pair.difference.value, f"{key}/difference")
    return score_label(metric), first, second, (difference, page.Line([interval], soft=True))


def _agreement_blocks(found: ModelComparison) -> Iterator[page.Block]:
    counts = found.agreement
    yield page.Heading("Clip by clip")
    rows = [("B right", counts.both, counts.only_second), ("B wrong", counts.only_first, counts.neither)]
    yield page.Table(("", "A right", "A wrong"), rows, wide=frozenset({""}))
    p_value = page.Number(f"{counts.p_value:.3g}", counts.p_value, f"{JSON}/mcnemar_p")
    yield page.Paragraph(page.Line(["McNemar's exact test: p = ", p_value, f". {INDEPENDENT}"]))


def _class_blocks(found: ModelComparison) -> Iterator[page.Block]:
    """The classes that gain and lose most from A to B."""
    clips_K = np.bincount(found.judged.label_N, minlength=len(found.class_names)).tolist()
    all_rows = zip(found.class_names, clips_K, found.classes, strict=True)
    judged = [row for row in all_rows if not isnan(row[2].difference.value)]
    judged.sort(key=lambda row: -row[2].difference.value)
    gained = [row for row in judged if row[2].difference.value > 0]
    lost = [row for row in reversed(judged) if row[2].difference.value < 0]
    yield page.Heading("Classes")
    for letter, rows in (("B", gained), ("A", lost)):
        if rows:
            yield page.Heading(f"{letter} is right more often: {len(rows)} of {len(judged)} classes", level=3)
            cells = [(name, clips, *_class_cells(pair)) for name, clips, pair in rows[:MOST_CLASSES]]
            columns = ("class", "clips", "A", "B", "B - A")
            yield page.Table(columns, cells, wide=frozenset({"class"}))
    beyond = sum(pair.difference.beyond_chance for *_, pair in judged)
    yield page.Paragraph(
        f"The intervals of {beyond} of {len(judged)} classes leave 0 out; of two equally good models, about one in "
        f"twenty would. {CLASSES} lists all classes."
    )


def _class_cells(pair: Pair) -> tuple[page.Cell, ...]:
    value, interval = difference_numbers(pair.difference)
    shares = (f"{100 * estimate.value:.1f} %" for estimate in (pair.first, pair.second))
    return *shares, (value, page.Line([interval], soft=True))


def _picture_blocks(
    found: ModelComparison, letter: str, indices: Sequence[int], pictures: Mapping[int, bytes | None]
) -> Iterator[page.Block]:
    total = found.agreement.only_first if letter == "A" else found.agreement.only_second
    yield page.Heading(f"Only {letter} is right")
    shown = f"; the {len(indices)} clearest are shown, {CLIPS} lists all" if 0 < len(indices) < total else ""
    yield page.Paragraph(f"{total:,} clip{'s' if total != 1 else ''}{shown}.")
    figures = [
        page.Figure([jpeg], [caption(found, index), page.Line([found.records[index].path], soft=True)])
        for index in indices
        if (jpeg := pictures[index]) is not None
    ]
    if figures:
        yield page.Gallery(figures)
