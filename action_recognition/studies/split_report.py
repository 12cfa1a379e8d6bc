"""What `evaluate-splits` found: scores by split, mean and spread, as table, CSV, JSON, Markdown and HTML."""

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path
from statistics import fmean, stdev
from typing import Any, Self

from rich import box
from rich.console import Console
from rich.table import Table as TerminalTable

from action_recognition.config import Config
from action_recognition.datasets.records import ClipRecord, Manifest
from action_recognition.evaluation.metrics import METRICS, PRIMARY
from action_recognition.reports.page import Block, Bullets, Heading, Paragraph, Table, to_html, to_markdown
from action_recognition.tracking.mlflow_run import Tracker
from action_recognition.tracking.run_notes import EVALUATION, TEST
from action_recognition.utils.files import replace_file

# Of all metrics, what the page shows, and the terminal the first of; CSV, JSON and MLflow have all.
SHOWN = (PRIMARY, "mean_class_accuracy", "f1_macro", "top5")
ON_TERMINAL = 3


@dataclass(frozen=True, kw_only=True)
class SplitScores:
    """One split: its clips, the numbers of its `metrics.json`, and how many epochs were trained."""

    number: int
    run_dir: Path
    manifest: Manifest
    metrics: Mapping[str, float]
    epochs: int

    def trained_on(self) -> list[ClipRecord]:
        return self.manifest.split("train") + self.manifest.split("val")

    @property
    def counts(self) -> dict[str, int]:
        train, val = len(self.manifest.split("train")), len(self.manifest.split("val"))
        return {"train_clips": train, "val_clips": val, "test_clips": int(self.metrics["clips"]), "epochs": self.epochs}


@dataclass(frozen=True, kw_only=True)
class SplitStudy:
    """Scores on several official splits.

    Attributes:
        title: the network and its data.
        mean: over the splits, by metric.
        deviation: the sample's standard deviation (divided by the number of splits less one); empty for one split.
    """

    title: str
    splits: tuple[SplitScores, ...]
    mean: Mapping[str, float]
    deviation: Mapping[str, float]

    @classmethod
    def of(cls, config: Config, splits: Sequence[SplitScores]) -> Self:
        values = {name: [split.metrics[name] for split in splits] for name in METRICS if name in splits[0].metrics}
        return cls(
            title=f"{config.model.network} on {config.data.name}",
            splits=tuple(splits),
            mean={name: fmean(found) for name, found in values.items()},
            deviation={name: stdev(found) for name, found in values.items()} if len(splits) > 1 else {},
        )

    def text(self, name: str) -> str:
        """`63.2 ± 1.1 %`, mean and standard deviation; of one split its score."""
        metric = METRICS[name]
        if not self.deviation:
            return metric.text(self.mean[name])
        mean, deviation = (metric.scale * values[name] for values in (self.mean, self.deviation))
        return f"{mean:.1f} ± {deviation:.1f} %" if metric.is_share else f"{mean:.4g} ± {deviation:.2g}"

    def notes(self) -> Iterator[str]:
        """What has to be known to read the spread."""
        if len(self.splits) < 2:
            yield "a single split has no spread; its interval is that of its source videos"
            return
        clips = [{record.path for record in split.trained_on()} for split in self.splits]
        shared = fmean(len(one & other) / len(one) for one, other in permutations(clips, 2))
        yield (
            f"± is the standard deviation over {len(self.splits)} splits, not a confidence interval: "
            f"{100 * shared:.0f} % of a split's training clips are also in another's, so the scores are not "
            "independent (Bengio and Grandvalet 2004)"
        )
        yield "intervals are 95 %, bootstrapped over the source videos of one split's test clips"


def report_splits(study: SplitStudy, folder: Path, tracker: Tracker | None, console: Console) -> None:
    """Write the table in all its forms to `folder`, print it, and log it in the parent run."""
    blocks: list[Block] = [
        Heading(f"{study.title}: {len(study.splits)} official splits", level=1),
        Paragraph(f"top-1 {study.text(PRIMARY)}", tone="lead"),
        Table(columns=_columns(study), rows=list(_rows(study))),
        Bullets(list(study.notes())),
    ]
    contents = {
        "split_scores.json": json.dumps(as_json(study), indent=2) + "\n",
        "split_scores.csv": as_csv(study),
        "split_scores.md": to_markdown(blocks),
        "split_scores.html": to_html(study.title, blocks),
    }
    for name, text in contents.items():
        replace_file(folder / name, text.encode())
        if tracker:
            tracker.log_artifact(folder / name)
    if tracker:
        spread = {f"test_{name}_std": value for name, value in study.deviation.items()}
        tracker.log_metrics({f"test_{name}_mean": value for name, value in study.mean.items()} | spread)
        tracker.describe({EVALUATION: f"official splits of {study.title}", TEST: f"top-1 {study.text(PRIMARY)}"})
    console.print(terminal_table(study))
    for line in study.notes():
        console.print(line, style="dim", highlight=False, markup=False)
    console.print(f"{folder}/: {', '.join(contents)}", highlight=False, markup=False)


def terminal_table(study: SplitStudy) -> TerminalTable:
    """As wide as 80 columns allow."""
    table = TerminalTable(title=study.title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    places = [place for place, column in enumerate(_columns(study)) if column != "training clips"]
    for place in places[: 3 + ON_TERMINAL]:
        table.add_column(_columns(study)[place], justify="right")
    for row in _rows(study):
        table.add_row(*(row[place] for place in places[: 3 + ON_TERMINAL]))
    return table


def as_csv(study: SplitStudy) -> str:
    """One row a split with every number of its evaluation, then `mean` and `standard deviation`."""
    rows: list[dict[str, Any]] = [{"split": split.number, **split.counts, **split.metrics} for split in study.splits]
    rows.append({"split": "mean", **study.mean})
    if study.deviation:
        rows.append({"split": "standard deviation", **study.deviation})
    text = io.StringIO()
    names = dict.fromkeys(name for row in rows for name in row)
    writer = csv.DictWriter(text, list(names), restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def as_json(study: SplitStudy) -> dict[str, Any]:
    """The study as plain values."""
    splits = [
        {"split": split.number, "run_dir": str(split.run_dir), **split.counts, "metrics": dict(split.metrics)}
        for split in study.splits
    ]
    spread = {"mean": dict(study.mean), "standard_deviation": dict(study.deviation)}
    return {"title": study.title, "splits": splits, **spread, "notes": list(study.notes())}


def _shown(study: SplitStudy) -> list[str]:
    return [name for name in SHOWN if name in study.mean]


def _columns(study: SplitStudy) -> list[str]:
    first, *more = (METRICS[name].label for name in _shown(study))
    return ["split", "training clips", "test clips", first, "95 % interval", *more]


def _rows(study: SplitStudy) -> Iterator[list[str]]:
    """The splits, and mean ± standard deviation."""
    for split in study.splits:
        first, *more = (METRICS[name].text(split.metrics[name]) for name in _shown(study))
        interval = " - ".join(f"{100 * split.metrics[f'{PRIMARY}_{bound}']:.1f}" for bound in ("low", "high"))
        trained, tested = len(split.trained_on()), split.counts["test_clips"]
        yield [str(split.number), str(trained), str(tested), first, f"{interval} %", *more]
    first, *more = (study.text(name) for name in _shown(study))
    yield ["mean ± std" if study.deviation else "mean", "", "", first, "", *more]
