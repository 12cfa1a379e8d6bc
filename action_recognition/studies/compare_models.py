"""Two models on the same clips: whether one is better, by how much, and where."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from math import isnan
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from action_recognition.config import Config
from action_recognition.datasets.records import ClipRecord
from action_recognition.errors import DataError, check_choice
from action_recognition.evaluation.metrics import METRICS, Metric
from action_recognition.studies.differences import (
    Agreement,
    Difference,
    Judged,
    Pair,
    agreement,
    class_pairs,
    metric_pairs,
)
from action_recognition.studies.named_models import Prepared, load_named, prepare
from action_recognition.tracking.run_folders import data_title
from action_recognition.utils.malloc import keep_freed_memory
from action_recognition.utils.text import first_names, printable


@dataclass(frozen=True, kw_only=True, eq=False)
class ModelComparison:
    """What two models make of the same clips. Intervals are 95 %, of draws of source videos that both models share.

    Attributes:
        names: of the two models, A and B.
        data, split: what the clips are of.
        metric: by which it is said which of the two is better.
        scores: of every registered metric; differences are B less A.
        classes: the accuracy of each class, in the order of `class_names`; NaN for a class without clips.
        records: the N clips.
        judged: A's and B's probabilities, with A's order of classes.
        remarks: what a reader has to know, one line each.
    """

    names: tuple[str, str]
    data: str
    split: str
    metric: str
    class_names: tuple[str, ...]
    scores: dict[str, Pair]
    classes: tuple[Pair, ...]
    agreement: Agreement
    records: tuple[ClipRecord, ...]
    judged: Judged
    videos_dir: Path
    remarks: tuple[str, ...]

    @property
    def sources(self) -> int:
        """The number of source videos that the clips were cut from."""
        return len(set(self.judged.groups))

    @property
    def clips_text(self) -> str:
        """`hmdb51, split 2: 151 test clips of 60 source videos`."""
        return f"{self.data}: {len(self.records):,} {self.split} clips of {self.sources:,} source videos"

    @property
    def difference(self) -> Difference:
        """Of the deciding metric."""
        return self.scores[self.metric].difference

    @property
    def better(self) -> Literal["A", "B"] | None:
        """The model that is better by the deciding metric; None if the difference may be chance."""
        if isnan(self.difference.value) or not self.difference.beyond_chance:
            return None
        return "B" if (self.difference.value > 0) == METRICS[self.metric].higher_is_better else "A"

    @property
    def verdict(self) -> str:
        """One sentence: `B is better: top-1 +4.2 points (+1.0 to +7.5)`."""
        found, metric = self.difference, METRICS[self.metric]
        if isnan(found.value):
            return f"{metric.label} is not defined for these clips"
        said = f"{metric.label} {difference_text(found, metric)}"
        if found.is_of_few:
            said += f", of only {self.sources} source video{'s' if self.sources != 1 else ''}"
        return f"{self.better} is better: {said}" if self.better else f"no difference beyond noise: {said}"


def difference_text(difference: Difference, metric: Metric) -> str:
    """`+4.2 points (+1.0 to +7.5)`; of what is no share, `-0.12 (-0.31 to +0.07)`."""
    value, interval = difference_numbers(difference, metric)
    return f"{value}{' points' if metric.is_share else ''} ({interval})" if interval else value


def difference_numbers(difference: Difference, metric: Metric | None = None) -> tuple[str, str]:
    """`+4.2` and `+1.0 to +7.5`, in percentage points of a share. None: the accuracy of a class."""
    if isnan(difference.value):
        return "not defined", ""
    numbers = difference.value, difference.low, difference.high
    if metric is None or metric.is_share:
        value, low, high = (f"{100 * number:+.1f}" for number in numbers)
    else:
        value, low, high = (f"{number:+.2g}" for number in numbers)
    return value, f"{low} to {high}"


def compare_models(config: Config, first: str, second: str, *, console: Console) -> ModelComparison:
    """Judge two models on the clips of `evaluation.split`, those of the data that they were trained with.

    Args:
        config: `compare.metric` decides; overrides of `data` and `evaluation` hold for both models.
        first, second: what `named_models.load_named` takes.

    Raises:
        ConfigError: if there is no such model or metric.
        DataError: if the models know other classes, are tested on other clips, or were trained on these.
    """
    check_choice("compare.metric", config.compare.metric, METRICS)
    keep_freed_memory()
    one, two = load_named(first, config), load_named(second, config)
    names = (one.name, two.name) if one.name != two.name else (first, second)
    _check_same_classes(names, one.contract.class_names, two.contract.class_names)
    config_of_one = one.config or two.config or config
    both = prepare(one, config_of_one, console), prepare(two, two.config or config_of_one, console)
    _check_same_clips(names, *both)
    remarks = _remarks(names, both, is_same=one.digest == two.digest)
    judged, records, errors = _judge(names, both, console)
    return ModelComparison(
        names=names,
        data=data_title(config_of_one.data),
        split={"val": "validation"}.get(config.evaluation.split, config.evaluation.split),
        metric=config.compare.metric,
        class_names=one.contract.class_names,
        scores=metric_pairs(judged, resamples=config.evaluation.bootstrap),
        classes=tuple(class_pairs(judged, resamples=config.evaluation.bootstrap)),
        agreement=agreement(judged),
        records=tuple(records),
        judged=judged,
        videos_dir=both[0].videos_dir,
        remarks=(*remarks, *(f"skipped: {line}" for line in errors)),
    )


def _judge(
    names: tuple[str, str], both: tuple[Prepared, Prepared], console: Console
) -> tuple[Judged, list[ClipRecord], tuple[str, ...]]:
    """The probabilities of both models, with the clips and classes of B in the order of A's."""
    probabilities: list[NDArray[np.float32]] = []
    clips: list[list[ClipRecord]] = []
    errors: dict[str, None] = {}
    for name, prepared in zip(names, both, strict=True):
        console.print(f"{printable(name)}:", highlight=False, markup=False)
        records, probability_NK, lines = prepared.judge(console)
        probabilities.append(probability_NK)
        clips.append(records)
        errors |= dict.fromkeys(lines)
    of_first, of_second = ({record.path: record.label for record in records} for records in clips)
    _check_same_paths(names, of_first, of_second)
    place_of = {record.path: place for place, record in enumerate(clips[1])}
    class_names = both[0].named.contract.class_names
    column_of = {name: column for column, name in enumerate(both[1].named.contract.class_names)}
    rows, columns = [place_of[record.path] for record in clips[0]], [column_of[name] for name in class_names]
    number_of = {name: number for number, name in enumerate(class_names)}
    judged = Judged(
        first_NK=probabilities[0],
        second_NK=probabilities[1][np.ix_(rows, columns)],
        label_N=np.array([number_of[record.label] for record in clips[0]]),
        groups=[record.source_video for record in clips[0]],
    )
    return judged, clips[0], tuple(errors)


def _check_same_classes(names: tuple[str, str], first: Sequence[str], second: Sequence[str]) -> None:
    only = [sorted({*one} - {*other}) for one, other in ((first, second), (second, first))]
    if any(only):
        parts = [f"{name} alone knows {first_names(more)}" for name, more in zip(names, only, strict=True) if more]
        raise DataError(f"models of other classes cannot be compared: {'; '.join(parts)}")


def _check_same_clips(names: tuple[str, str], first: Prepared, second: Prepared) -> None:
    of_first, of_second = ({record.path: record.label for record in each.records} for each in (first, second))
    titles = [data_title(each.config.data) for each in (first, second)]
    _check_same_paths(names, of_first, of_second, hint=f" ({' and '.join(titles)})")


def _check_same_paths(names: tuple[str, str], first: dict[str, str], second: dict[str, str], hint: str = "") -> None:
    other = [path for path in chain(first, second) if first.get(path) != second.get(path)]
    if other:
        raise DataError(
            f"{names[0]} and {names[1]} have other clips{hint}: {len(first)} and {len(second)}, of which "
            f"{len(first.keys() & second.keys())} are the same, not {other[0]}; give both the same data, such as "
            "data.split=1"
        )


def _remarks(names: tuple[str, str], both: Sequence[Prepared], *, is_same: bool) -> tuple[str, ...]:
    lines = []
    if is_same:
        lines.append("A and B are the same file")
    unknown = [f"{letter} ({names[n]})" for n, letter in enumerate("AB") if both[n].leaking is None]
    if unknown:
        what = "does not say what it was trained on" if len(unknown) == 1 else "do not say what they were trained on"
        lines.append(f"{' and '.join(unknown)} {what}: leakage cannot be seen")
    for letter, each in zip("AB", both, strict=True):
        if each.leaking and each.config.evaluation.split == "test":
            lines.append(f"leaking: {letter} was trained on the source videos of {each.leaking} of these clips")
    views = [(each.config.data.test_clips, each.config.data.test_crops) for each in both]
    if views[0] != views[1]:
        said = " and ".join(f"{clips} x {crops}" for clips, crops in views)
        lines.append(f"A and B are given {said} views (data.test_clips x data.test_crops) of each video")
    if both[0].config.evaluation.split == "val":
        lines.append("validation clips, by which the models' epochs were chosen: their scores are rather high")
    return tuple(lines)
