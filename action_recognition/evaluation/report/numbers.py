"""Figures of an evaluation as a page shows them: rounded, with their full value and its place in the files beside."""

from collections.abc import Sequence

from action_recognition.evaluation.figures import EvaluationFigures
from action_recognition.evaluation.intervals import Estimate
from action_recognition.evaluation.metrics import METRICS
from action_recognition.reports.page import Line, Number, Text

METRICS_FILE = "metrics.json"


def place(*names: str) -> str:
    """Where a value is found: file, row, column."""
    return "/".join(names)


def percent(value: float, key: str, digits: int = 1) -> Number:
    return Number(f"{100 * value:.{digits}f} %", value, key)


def count(value: int, key: str) -> Number:
    return Number(f"{value:,}", value, key)


def share_cell(estimate: Estimate | None, *key: str) -> Sequence[Text]:
    """`63.3 %` above `56.8 - 69.6`, or a dash for what is not defined."""
    if estimate is None:
        return ("-",)
    name = place(*key)
    bounds = (_bare(estimate.low, f"{name}_low"), " - ", _bare(estimate.high, f"{name}_high"))
    return (percent(estimate.value, name), Line(bounds, soft=True))


def _bare(share: float, key: str) -> Number:
    return Number(f"{100 * share:.1f}", share, key)


class Overall:
    """The figures of `metrics.json`."""

    def __init__(self, figures: EvaluationFigures) -> None:
        self.values = figures.flat()

    def __contains__(self, name: str) -> bool:
        return name in self.values

    def percent(self, name: str, digits: int = 1) -> Number:
        return percent(self.values[name], place(METRICS_FILE, name), digits)

    def bare_percent(self, name: str) -> Number:
        """Without the sign, as the first of two bounds."""
        return _bare(self.values[name], place(METRICS_FILE, name))

    def count(self, name: str) -> Number:
        return count(int(self.values[name]), place(METRICS_FILE, name))

    def plain(self, name: str) -> Number:
        return Number(f"{self.values[name]:.3g}", self.values[name], place(METRICS_FILE, name))

    def cell(self, metric: str, *, prefix: str = "") -> Sequence[Text]:
        """A metric with its interval below it; a dash if there is none of this name."""
        name = f"{prefix}{metric}"
        if name not in self.values:
            return ("-",)
        value, low, high = (
            Number(METRICS[metric].text(self.values[key]), self.values[key], place(METRICS_FILE, key))
            for key in (name, f"{name}_low", f"{name}_high")
        )
        return (
            value,
            Line((Number(low.text.removesuffix(" %"), low.value, low.key), " - ", _unsigned(high)), soft=True),
        )


def _unsigned(number: Number) -> Number:
    return Number(number.text.removesuffix(" %"), number.value, number.key)
