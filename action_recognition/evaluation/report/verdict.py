"""What an evaluation says in words: how good, what is confused, what its probabilities are worth, which threshold."""

from collections.abc import Iterator

from action_recognition.evaluation.figures import Calibration, EvaluationFigures
from action_recognition.evaluation.report.numbers import Overall, count, percent, place
from action_recognition.reports.page import Line, Number
from action_recognition.utils.text import shortened

# Expected calibration errors up to these, shares of 1, let probabilities be taken at their word, or roughly so.
SMALL_ERROR, FAIR_ERROR = 0.05, 0.1
NAMED_PAIRS, LONGEST_NAME = 3, 60
Pieces = Iterator[str | Number]


def verdict(figures: EvaluationFigures, *, split: str) -> Line:
    """One paragraph for a reader who must act."""
    overall = Overall(figures)
    parts = (
        _score(figures, overall, split),
        _confusions(figures),
        _trust(figures, overall),
        _threshold(figures, overall),
    )
    return Line([piece for part in parts for piece in part])


def _score(figures: EvaluationFigures, overall: Overall, split: str) -> Pieces:
    yield from (overall.percent("top1"), " of the ", overall.count("clips"), f" {split} clips are labelled right")
    yield from (" (95 % interval ", overall.bare_percent("top1_low"), " to ", overall.percent("top1_high"), ")")
    if len(figures.class_names) > 5 and "top5" in overall:
        yield from ("; for ", overall.percent("top5"), " the right label is among the first five")
    yield ". "


def _confusions(figures: EvaluationFigures) -> Pieces:
    pairs = figures.confused_pairs[:NAMED_PAIRS]
    if not pairs:
        yield "It makes no mistake on them. "
        return
    totals = {one.name: one.clips for one in figures.classes}
    yield "What it mistakes most often: "
    for number, pair in enumerate(pairs):
        key = ("confused_pairs.csv", pair.label, pair.predicted)
        yield ", " if number else ""
        yield f"{shortened(pair.label, LONGEST_NAME)} for {shortened(pair.predicted, LONGEST_NAME)} ("
        yield from (count(pair.clips, place(*key, "clips")), " of ")
        yield from (count(totals[pair.label], place("classes.csv", pair.label, "clips")), ")")
    yield ". "


def _trust(figures: EvaluationFigures, overall: Overall) -> Pieces:
    calibration = figures.calibration
    error = percent(calibration.error.value, place("metrics.json", "calibration_error"))
    if calibration.error.value <= SMALL_ERROR:
        yield "Its probabilities can be taken at their word: they are off by "
    elif calibration.error.value <= FAIR_ERROR:
        yield f"Its probabilities are roughly right, a little too {_tendency(calibration)}: they are off by "
    else:
        yield f"Its probabilities must not be taken at their word; they are too {_tendency(calibration)}, off by "
    yield from (error, " on average")
    if calibration.temperature != 1.0:
        yield from (", and by ", overall.percent("uncalibrated_calibration_error"), " before calibration")
        if calibration.error.value > calibration.uncalibrated_error.value:
            yield ", which made it worse here: the validation clips that it was fitted on are few, or unlike these"
    else:
        yield " (no temperature has been fitted; python commands.py calibrate does it)"
    yield ". "


def _tendency(calibration: Calibration) -> str:
    """Whether clips of all bins together are right less often than their probabilities say."""
    excess = sum(one.clips * (one.confidence - one.accuracy) for one in calibration.bins)
    return "high" if excess > 0 else "low"


def _threshold(figures: EvaluationFigures, overall: Overall) -> Pieces:
    chosen = figures.risk_coverage
    if chosen.threshold <= 0:
        yield 'It has no threshold for "none of these", so every clip gets a label'
        yield "; python commands.py calibrate sets one."
        return
    yield from ("Below a probability of ", overall.percent("threshold", 0), ' its answer is "none of these": ')
    yield from ("it then labels ", overall.percent("coverage"), " of the clips")
    if chosen.risk is None:
        yield ", so it answers nothing here."
        return
    yield from (", and ", overall.percent("risk"), " of these labels are wrong.")
