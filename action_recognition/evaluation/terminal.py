"""The figures of an evaluation on a terminal of 80 columns; of a data set of 51 classes in about 40 lines."""

from collections.abc import Iterator, Sequence
from itertools import zip_longest

from rich import box
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from action_recognition.evaluation.figures import Calibration, ClassFigures, EvaluationFigures, RiskCoverage, TagFigures
from action_recognition.evaluation.intervals import Estimate
from action_recognition.evaluation.metrics import METRICS, Metric
from action_recognition.utils.program import program
from action_recognition.utils.text import printable, shortened

# Rows of a table of classes or pairs.
MOST_ROWS = 5
LONGEST_NAME = 24
INTERVAL = "95 % interval"


def summary(figures: EvaluationFigures, *, split: str) -> Iterator[RenderableType]:
    """What to print, one after the other: scores, calibration, classes, confused pairs, tags."""
    yield score_table(figures, split=split)
    yield ""
    yield calibration_line(figures.calibration)
    yield risk_line(figures.risk_coverage)
    yield ""
    yield class_table(figures.classes)
    if figures.confused_pairs:
        yield ""
        yield pair_table(figures)
    if figures.tags:
        yield ""
        yield tag_table(figures.tags)
    yield ""


def score_table(figures: EvaluationFigures, *, split: str) -> Table:
    """Every metric with its interval; where a video has several views, also of single views."""
    metrics, views = figures.metrics, figures.views
    clips = f"{metrics.clips} {split} clip{'s' if metrics.clips != 1 else ''}"
    title = f"{clips} of {metrics.groups} source video{'s' if metrics.groups != 1 else ''}"
    table = _table(("", "left"), ("" if views == 1 else f"{views} views", "right"), (INTERVAL, "right"))
    table.title, table.title_justify, table.title_style = Text(title), "left", "bold"
    if views > 1:
        for heading in ("single view", INTERVAL):
            table.add_column(heading, justify="right")
    for name, estimate in metrics.estimates.items():
        cells = [*_cells(METRICS[name], estimate)]
        if views > 1 and name in figures.clip_metrics.estimates:
            cells += _cells(METRICS[name], figures.clip_metrics.estimates[name])
        table.add_row(METRICS[name].label, *cells)
    return table


def calibration_line(calibration: Calibration) -> str:
    """`temperature 1.4: calibration error 9.8 -> 4.1 %, log loss 1.62 -> 1.48`."""
    if calibration.temperature == 1:
        return f"temperature 1: not calibrated; to do so: {program()} calibrate"
    before, after = 100 * calibration.uncalibrated_error.value, 100 * calibration.error.value
    losses = f"{calibration.uncalibrated_log_loss.value:.3g} -> {calibration.log_loss.value:.3g}"
    return (
        f"temperature {calibration.temperature:.3g}: calibration error {before:.1f} -> {after:.1f} %, log loss {losses}"
    )


def risk_line(risks: RiskCoverage) -> str:
    """`threshold 0.31: 82.3 % of the clips are answered, 12.0 % of the answers are wrong`."""
    if not risks.threshold:
        return "threshold 0: every clip is answered"
    answered = f"threshold {risks.threshold:.2g}: {100 * risks.coverage.value:.1f} % of the clips are answered"
    return answered if risks.risk is None else f"{answered}, {100 * risks.risk.value:.1f} % of the answers are wrong"


def class_table(classes: Sequence[ClassFigures]) -> Table:
    """The most and the least accurate classes side by side; all of them where there are few."""
    ranked = sorted((row for row in classes if row.accuracy), key=lambda row: (-_accuracy(row), row.name))
    most = min(MOST_ROWS, -(-len(ranked) // 2))
    best, worst = ranked[:most], ranked[most:][::-1][:MOST_ROWS]
    columns = [(name, "left" if name.endswith("classes") else "right") for name in ("best classes", "top-1", "clips")]
    columns += [("worst classes", "left"), *columns[1:]]
    table = _table(*columns)
    for left, right in zip_longest(best, worst):
        table.add_row(*_class_cells(left), *_class_cells(right))
    return table


def pair_table(figures: EvaluationFigures) -> Table:
    """The pairs of classes that are confused most often."""
    table = _table(("most confused", "left"), ("taken for", "left"), ("clips", "right"), ("of the class", "right"))
    for pair in figures.confused_pairs[:MOST_ROWS]:
        table.add_row(_name(pair.label), _name(pair.predicted), str(pair.clips), f"{100 * pair.share:.0f} %")
    return table


def tag_table(tags: Sequence[TagFigures]) -> Table:
    """A row per tag: top-1 of the clips with each value, and how many these are."""
    table = _table(("tag", "left"), ("top-1 (clips)", "left"))
    rows: dict[str, list[str]] = {}
    for row in tags:
        text = f"{shortened(printable(row.meaning), LONGEST_NAME)} {100 * row.top1.value:.1f} % ({row.clips})"
        rows.setdefault(row.tag, []).append(text)
    for tag, values in rows.items():
        table.add_row(tag.replace("_", " "), Text(", ".join(values)))
    return table


def _table(*columns: tuple[str, str]) -> Table:
    """An empty table with a line below the headings, which are left or right."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for heading, side in columns:
        table.add_column(heading, justify="right" if side == "right" else "left")
    return table


def _cells(metric: Metric, estimate: Estimate) -> tuple[str, str]:
    """The value, and the bounds without their unit."""
    bounds = (metric.scale * estimate.low, metric.scale * estimate.high)
    texts = [f"{bound:.1f}" if metric.is_share else _short(bound) for bound in bounds]
    return metric.text(estimate.value), " - ".join(texts)


def _short(number: float) -> str:
    """At most nine characters of a number that may be a log loss of 1e-12."""
    return f"{number:.3g}" if number == 0 or abs(number) >= 0.001 else "<0.001"


def _class_cells(row: ClassFigures | None) -> tuple[str | Text, ...]:
    return ("", "", "") if row is None else (_name(row.name), f"{100 * _accuracy(row):.1f} %", str(row.clips))


def _accuracy(row: ClassFigures) -> float:
    return row.accuracy.value if row.accuracy else 0.0


def _name(name: str) -> Text:
    return Text(shortened(printable(name), LONGEST_NAME))
