"""The report of an evaluation: one page for a reader who must decide what to do with a model."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from action_recognition.datasets.records import ClipRecord
from action_recognition.evaluation.figures import ClassFigures, EvaluationFigures
from action_recognition.evaluation.metrics import METRICS
from action_recognition.evaluation.report.numbers import Overall, count, percent, place, share_cell
from action_recognition.evaluation.report.plots import write_plots
from action_recognition.evaluation.report.verdict import verdict
from action_recognition.evaluation.report.worst_mistakes import PicturedMistake, picture_mistakes, write_mistakes_sheet
from action_recognition.reports.page import (
    Bar,
    Block,
    Bullets,
    Cell,
    Figure,
    Gallery,
    Heading,
    Line,
    Paragraph,
    Plot,
    Row,
    Table,
    Text,
    to_html,
)
from action_recognition.utils.files import replace_file
from action_recognition.utils.text import shortened

REPORT = "report.html"
# Of more classes than this, the table shows the weakest; all are in classes.csv.
MOST_CLASSES = 100
MOST_PAIRS = 10
# Characters: a name that is broken into lines, and one that loses its middle.
LONG_NAME, LONGEST_NAME = 20, 48


@dataclass(frozen=True, kw_only=True)
class About:
    """What a report says beside its figures.

    Attributes:
        data: the data set, such as `hmdb51, split 2`.
        split: `test` or `val`.
        headline: of the plots' PNG files.
        cautions: what limits what the figures mean, a sentence each.
        made: how the evaluation was made: the command, the checkpoint, versions.
    """

    data: str
    split: str
    headline: str
    cautions: Sequence[str] = ()
    made: Mapping[str, str] = field(default_factory=dict)

    @property
    def clips(self) -> str:
        return {"val": "validation"}.get(self.split, self.split)


def write_report(
    figures: EvaluationFigures, records: Sequence[ClipRecord], directory: Path, *, videos_dir: Path, about: About
) -> tuple[Path, tuple[Path, ...]]:
    """Write the plots, `worst_mistakes.jpg` and `report.html` into `directory`.

    Args:
        records: of the evaluated clips.

    Returns:
        The page and the pictures: PNG files, each with an SVG beside it, and the sheet of mistakes if there are any.
    """
    plots = write_plots(figures, directory, title=about.headline)
    pictured = picture_mistakes(figures.mistakes, records, videos_dir)
    sheet = write_mistakes_sheet(pictured, directory)
    blocks = list(report_blocks(figures, pictured, directory, about))
    replace_file(directory / REPORT, to_html(f"Evaluation: {about.data}", blocks, wide=True).encode())
    return directory / REPORT, (*plots, *([sheet] if sheet else []))


def report_blocks(
    figures: EvaluationFigures, pictured: Sequence[PicturedMistake], directory: Path, about: About
) -> Iterator[Block]:
    """The page from top to bottom; the plots lie in `directory`."""
    yield Heading(f"Evaluation: {about.data}, {about.clips} clips", level=1)
    yield Paragraph(about.headline.splitlines()[0])
    yield Paragraph(verdict(figures, split=about.clips), tone="lead")
    if about.cautions:
        yield Heading("Before you rely on it")
        yield Bullets(about.cautions)
    yield from _overall_blocks(figures)
    yield from _class_blocks(figures)
    yield from _confusion_blocks(figures, directory)
    yield from _mistake_blocks(pictured)
    yield from _trust_blocks(figures, directory)
    yield from _tag_blocks(figures)
    yield Heading("How it was made")
    rows = [(name, value) for name, value in about.made.items()]
    yield Table(("", ""), rows, wide=frozenset({""}))
    yield Paragraph(
        "Intervals are 95 %, bootstrapped over source videos. All values in full: the CSV and JSON files beside."
    )


def _overall_blocks(figures: EvaluationFigures) -> Iterator[Block]:
    overall = Overall(figures)
    names = [name for name in METRICS if name in figures.metrics.estimates]
    yield Heading("Scores")
    if figures.views == 1:
        yield Table(("", "score"), [(_metric_name(name), overall.cell(name)) for name in names], wide=frozenset({""}))
        return
    yield Paragraph(
        f"Of whole videos, where the probabilities of {figures.views} views are averaged, and of single views."
    )
    rows = [(_metric_name(name), overall.cell(name), overall.cell(name, prefix="clip_")) for name in names]
    yield Table(("", "videos", "single views"), rows, wide=frozenset({""}))


def _metric_name(name: str) -> str:
    metric = METRICS[name]
    return metric.label if metric.higher_is_better else f"{metric.label} (lower is better)"


def _class_blocks(figures: EvaluationFigures) -> Iterator[Block]:
    yield Heading("Classes")
    weakest = sorted(figures.classes, key=lambda one: (one.accuracy.value if one.accuracy else 2.0, -one.clips))
    shown = weakest if len(weakest) <= MOST_CLASSES else weakest[: MOST_CLASSES // 2]
    text = "The weakest first."
    if len(shown) < len(weakest):
        text = f"The {len(shown)} weakest of {len(weakest):,} classes; all are in classes.csv."
    yield Paragraph(
        f"{text} Bars are the share of a class's clips that is labelled right, lines its 95 % interval, which is too "
        "narrow where there are few source videos."
    )
    taken_for = {pair.label: pair for pair in reversed(figures.confused_pairs)}
    rows: list[Sequence[Cell]] = []
    for one in shown:
        key = ("classes.csv", one.name)
        pair = taken_for.get(one.name)
        mistaken: Cell = ""
        if pair:
            clips = count(pair.clips, place("confused_pairs.csv", pair.label, pair.predicted, "clips"))
            mistaken = Line((f"{shortened(pair.predicted, LONGEST_NAME)} (", clips, ")"))
        rows.append(
            (
                shortened(one.name, LONGEST_NAME),
                _accuracy_bar(one),
                share_cell(one.accuracy, *key, "accuracy"),
                count(one.clips, place(*key, "clips")),
                count(one.sources, place(*key, "source_videos")),
                share_cell(one.precision, *key, "precision"),
                share_cell(one.f1, *key, "f1"),
                mistaken,
            )
        )
    columns = ("class", "", "right", "clips", "sources", "precision", "F1", "mostly taken for")
    wide = {"mostly taken for", "class"} if any(len(one.name) > LONG_NAME for one in shown) else {"mostly taken for"}
    yield Table(columns, rows, wide=frozenset(wide), sortable=True)


def _accuracy_bar(one: ClassFigures) -> Bar:
    if one.accuracy is None:
        return Bar((), 1.0)
    return Bar((one.accuracy.value,), 1.0, interval=(one.accuracy.low, one.accuracy.high))


def _confusion_blocks(figures: EvaluationFigures, directory: Path) -> Iterator[Block]:
    yield Heading("Confusions")
    if not figures.confused_pairs:
        yield Paragraph("There are none.", tone="good")
        return
    rows: list[Sequence[Cell]] = []
    for pair in figures.confused_pairs[:MOST_PAIRS]:
        key = ("confused_pairs.csv", pair.label, pair.predicted)
        share = percent(pair.share, place(*key, "share"), 0)
        names = (shortened(pair.label, LONGEST_NAME), shortened(pair.predicted, LONGEST_NAME))
        rows.append((*names, count(pair.clips, place(*key, "clips")), share, Bar((pair.share,), 1.0)))
    columns = ("it is", "taken for", "clips", "of the class", "")
    yield Table(columns, rows, wide=frozenset({"it is", "taken for"}))
    most = (
        ""
        if len(figures.class_names) <= 60
        else "The most confused classes; the others share the last row and column. "
    )
    caption = f"{most}Rows: what a clip shows. Columns: what it is taken for. Colour: the share of the row."
    yield _plot(directory, "confusion_matrix", "Confusion matrix", caption, natural_size=len(figures.class_names) > 8)


def _mistake_blocks(pictured: Sequence[PicturedMistake]) -> Iterator[Block]:
    if not pictured:
        return
    yield Heading("Worst mistakes")
    yield Paragraph("Wrong labels that the model was surest of, as far as possible each of another source video.")
    shown = []
    for mistake, jpeg in pictured:
        key = ("predictions.csv", mistake.path)  # in which probabilities have six decimals
        said = percent(round(mistake.predicted_probability, 6), place(*key, "probability"), 0)
        truth = percent(round(mistake.label_probability, 6), place(*key, "label_probability"), 0)
        predicted, label = shortened(mistake.predicted, LONGEST_NAME), shortened(mistake.label, LONGEST_NAME)
        lines: list[Text] = [
            Line((f"{label} (", truth, f"), taken for {predicted} (", said, ")")),
            Line((mistake.path if jpeg else f"{mistake.path} (no video file here)",), soft=True),
        ]
        shown.append(Figure([jpeg] if jpeg else [], lines, alt=f"Frames of {mistake.path}"))
    yield Gallery(shown)


def _trust_blocks(figures: EvaluationFigures, directory: Path) -> Iterator[Block]:
    calibration, risks = figures.calibration, figures.risk_coverage
    yield Heading("How far its probabilities can be trusted")
    reliability = (
        "Points below the dotted line: it is surer than it is right. Above: it is right more often than it says. "
        "The bars count clips; points of few clips say little."
    )
    risk = "The further down and to the right, the better. "
    risk += (
        "Refusing the least sure clips lowers the errors among the rest along this line; the point is the threshold "
        "that validation clips chose."
        if risks.threshold > 0
        else "No threshold is set: every clip is answered, the right end of the line."
    )
    yield Row(
        [
            _plot(directory, "reliability", "Reliability diagram", reliability),
            _plot(directory, "risk_coverage", "Risk-coverage curve", risk),
        ]
    )
    overall = Overall(figures)
    rows: list[Sequence[Cell]] = []
    for label, name in (("calibration error", "calibration_error"), ("log loss", "log_loss")):
        rows.append((label, overall.cell(name), overall.cell(name, prefix="uncalibrated_")))
    if calibration.temperature != 1.0:
        columns = ("", "calibrated", "before")
        yield Table(columns, rows, wide=frozenset({""}))


def _tag_blocks(figures: EvaluationFigures) -> Iterator[Block]:
    if not figures.tags:
        return
    yield Heading("By tag")
    yield Paragraph(
        "What the file names say about the clips. Where intervals are far apart, the kind of video matters."
    )
    rows: list[Sequence[Cell]] = []
    for one in figures.tags:
        key = ("tags.csv", one.tag, one.value)
        bar = Bar((one.top1.value,), 1.0, interval=(one.top1.low, one.top1.high))
        clips = count(one.clips, place(*key, "clips"))
        sources = count(one.sources, place(*key, "source_videos"))
        name = f"{one.tag.replace('_', ' ')}: {one.meaning}"
        rows.append((name, bar, share_cell(one.top1, *key, "top1"), clips, sources))
    yield Table(("tag", "", "right", "clips", "source videos"), rows, wide=frozenset({"tag"}))


def _plot(directory: Path, name: str, alt: str, caption: str, *, natural_size: bool = False) -> Plot:
    path = directory / f"{name}.svg"
    return Plot(path.name, path.read_bytes(), caption, alt=alt, natural_size=natural_size)
