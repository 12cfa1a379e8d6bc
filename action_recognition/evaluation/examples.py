"""A few judged clips to look at: right ones and wrong ones, of as many classes as possible."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from action_recognition.datasets.records import NAMES_AS_THEY_ARE


class Judged(NamedTuple):
    """One row of `predictions.csv`."""

    path: str
    label: str
    predicted: str

    @property
    def is_right(self) -> bool:
        return self.label == self.predicted


def read_predictions(path: Path) -> list[Judged]:
    """The rows of a `predictions.csv`, in its order."""
    with path.open(encoding="utf-8", errors=NAMES_AS_THEY_ARE, newline="") as file:
        return [Judged(row["path"], row["label"], row["predicted"]) for row in csv.DictReader(file)]


def choose_examples(judged: Sequence[Judged], *, count: int = 6, wrong: int = 2) -> list[Judged]:
    """Choose `count` clips: first right ones, then up to `wrong` that the model gets wrong.

    A class is shown again only when no other is left. The choice depends on the order of the clips alone, not on how
    sure the model is.
    """
    all_wrong, all_right = ([row for row in judged if row.is_right is right] for right in (False, True))
    mistakes = _spread(all_wrong, wrong, shown=[])
    right = _spread(all_right, count - len(mistakes), shown=mistakes)
    if len(right) + len(mistakes) < count:  # a model that is hardly ever right
        mistakes = _spread(all_wrong, count - len(right), shown=[])
    return [*right, *mistakes]


def _spread(rows: Sequence[Judged], count: int, *, shown: Sequence[Judged]) -> list[Judged]:
    chosen: list[Judged] = []
    left = list(rows)
    while left and len(chosen) < count:
        labels = [row.label for row in (*shown, *chosen)]
        best = min(left, key=lambda row: labels.count(row.label))  # the first of the rarest
        chosen.append(best)
        left.remove(best)
    return chosen
