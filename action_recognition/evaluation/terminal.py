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
from action_recognition.utils.text import printable, shortened

# Rows of a table of classes or pairs.
MOST_ROWS = 5
LONGEST_NAME = 24


def summary(figures: EvaluationFigures, *, split: str) -> Iterator[RenderableType]:
    """What to print, one after the other: scores, calibration, classes, confused pairs, tags."""
    yield score_table(figures, split=split)
    yield calibration_line(figures.calibration)
    yield risk_line(figures.risk_coverage)
    yield class_table(figures.classes)
    if figures.confused_pairs:
        yield pair_table(figures)
    if figures.tags:
        yield tag_table(figures.tags)


def score_table(figures: EvaluationFigures, *, split: str) -> Table:
    """Every metric with its interval; where a video has several views, also of single views."""
    metrics, views = figures.metrics, figures.views
    title = f"{metrics.clips} {split} clips of {metrics.groups} source videos"
    table = _table(title, "" if views == 1 else f"mean of {views} views", "95 % interval")
    if views > 1:
        for heading in ("single view", "95 % interval"):
            table.add_column(heading, justify="right")
    for name, estimate in metrics.estimates.items():
        cells = [*_cells(METRICS[name], estimate)]
        if views > 1 and name in figures.clip_metrics.estimates:
            cells += _cells(METRICS[name], figures.clip_metrics.estimates[name])
        table.add_row(METRICS[name].label, *cells)
    return table


def calibration_line(calibration: Calibration) -> str:
    """`calibration: temperature 1.4; calibration error 4.1 %, 9.8 % without it`."""
    if calibration.temperature == 1:
        return "calibration: none (temperature 1)"
    errors = [f"{100 * error.value:.1f} %" for error in (calibration.error, calibration.uncalibrated_error)]
    losses = [f"{loss.value:.3g}" for loss in (calibration.log_loss, calibration.uncalibrated_log_loss)]
    return (
        f"calibration: temperature {calibration.temperature:.3g}; "
        f"error {errors[0]} (without: {errors[1]}), log loss {losses[0]} ({losses[1]})"
    )


def risk_line(risks: RiskCoverage) -> str:
    """`none of these: below 31 %; 82.3 % of the clips are answered, 12.0 % of the answers are wrong`."""
    if not risks.threshold:
        return "none of these: never (threshold 0)"
    answered = f"none of these: below {100 * risks.threshold:.0f} %; {100 * risks.coverage.value:.1f} % are answered"
    return answered if risks.risk is None else f"{answered}, {100 * risks.risk.value:.1f} % of the answers are wrong"


def class_table(classes: Sequence[ClassFigures]) -> Table:
    """The most and the least accurate classes side by side; all of them where there are few."""
    ranked = sorted((row for row in classes if row.accuracy), key=lambda row: (-_accuracy(row), row.name))
    most = min(MOST_ROWS, -(-len(ranked) // 2))
    best, worst = ranked[:most], ranked[most:][::-1][:MOST_ROWS]
    table = _table("", "top-1", "clips", first="best classes")
    table.add_column("worst classes")
    for heading in ("top-1", "clips"):
        table.add_column(heading, justify="right")
    for left, right in zip_longest(best, worst):
        table.add_row(*_class_cells(left), *_class_cells(right))
    return table


def pair_table(figures: EvaluationFigures) -> Table:
    """The pairs of classes that are confused most often."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("most confused", "taken for"):
        table.add_column(heading)
    for heading in ("clips", "of the class"):
        table.add_column(heading, justify="right")
    for pair in figures.confused_pairs[:MOST_ROWS]:
        table.add_row(_name(pair.label), _name(pair.predicted), str(pair.clips), f"{100 * pair.share:.0f} %")
    return table


def tag_table(tags: Sequence[TagFigures]) -> Table:
    """A row per tag: top-1 of the clips with each value, and how many these are."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("tag")
    table.add_column("top-1 (clips)")
    rows: dict[str, list[str]] = {}
    for row in tags:
        text = f"{shortened(printable(row.meaning), LONGEST_NAME)} {100 * row.top1.value:.1f} % ({row.clips})"
        rows.setdefault(row.tag, []).append(text)
    for tag, values in rows.items():
        table.add_row(tag.replace("_", " "), Text(", ".join(values)))
    return table


def _table(title: str, *columns: str, first: str = "") -> Table:
    table = Table(title=title or None, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column(first)
    for column in columns:
        table.add_column(column, justify="right")
    return table


def _cells(metric: Metric, estimate: Estimate) -> tuple[str, str]:
    if metric.is_share:
        return metric.text(estimate.value), f"{100 * estimate.low:.1f} - {100 * estimate.high:.1f} %"
    return metric.text(estimate.value), f"{metric.text(estimate.low)} - {metric.text(estimate.high)}"


def _class_cells(row: ClassFigures | None) -> tuple[str | Text, ...]:
    return ("", "", "") if row is None else (_name(row.name), f"{100 * _accuracy(row):.1f} %", str(row.clips))


def _accuracy(row: ClassFigures) -> float:
    return row.accuracy.value if row.accuracy else 0.0


def _name(name: str) -> Text:
    return Text(shortened(printable(name), LONGEST_NAME))
