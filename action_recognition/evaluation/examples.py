"""A few judged clips to look at: right ones and wrong ones, of as many classes as possible."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from action_recognition.datasets.records import NAMES_AS_THEY_ARE


@dataclass(frozen=True, kw_only=True)
class Judged:
    """One row of `predictions.csv`."""

    path: str
    label: str
    predicted: str
    probability: float

    @property
    def is_right(self) -> bool:
        return self.label == self.predicted


def read_predictions(path: Path) -> list[Judged]:
    """The rows of a `predictions.csv`, in its order."""
    with path.open(encoding="utf-8", errors=NAMES_AS_THEY_ARE, newline="") as file:
        return [
            Judged(
                path=row["path"],
                label=row["label"],
                predicted=row["predicted"],
                probability=float(row["probability"]),
            )
            for row in csv.DictReader(file)
        ]


def choose_examples(judged: Sequence[Judged], *, count: int = 6, wrong: int = 2) -> list[Judged]:
    """`count` clips: `wrong` ones that the model gets wrong, as far as there are any, after the right ones.

    A class is shown again only when there is no other left. The choice depends on the order of the clips alone, not on
    how sure the model is.
    """
    mistakes = _spread([row for row in judged if not row.is_right], wrong, shown=[])
    right = _spread([row for row in judged if row.is_right], count - len(mistakes), shown=mistakes)
    if len(right) + len(mistakes) < count:  # a model that is hardly ever right
        mistakes = _spread([row for row in judged if not row.is_right], count - len(right), shown=[])
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
