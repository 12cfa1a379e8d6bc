"""The summary of a series of runs: one row per run as text, and the table and lines of the terminal."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from rich.markup import escape
from rich.table import Table

from action_recognition.evaluation.metrics import METRICS, PRIMARY
from action_recognition.studies.changes import Change, changes
from action_recognition.studies.records import RunRecord, Scores
from action_recognition.studies.runtime import runtime_change
from action_recognition.studies.significance import score_difference
from action_recognition.utils.text import shortened

INTERVAL = "95 % interval"
READABLE_NAME = 28


@dataclass(frozen=True, kw_only=True)
class Row:
    """One run as text.

    Attributes:
        scores: by the label of each compared metric, top-1 first; `-` where it was not logged.
        interval: of top-1, or what is to be known of the scores.
        difference: of top-1 to the baseline's.
        changed: one entry per difference.
        why: the runtime against the baseline's.
    """

    experiment: str
    name: str
    date: str
    runtime: str
    device: str
    scores: Mapping[str, str]
    interval: str
    difference: str
    changed: tuple[str, ...]
    why: str
    is_baseline: bool


def make_row(run: RunRecord, baseline: RunRecord) -> Row:
    is_baseline = run.run_id == baseline.run_id
    changed = config_changes(baseline, run)
    return Row(
        experiment=run.experiment,
        name=_name(run),
        date=f"{run.started:%Y-%m-%d %H:%M}",
        runtime=duration(run.seconds),
        device=run.device or "not logged",
        scores={metric.label: _score(run.scores, metric.name) for metric in METRICS.values() if metric.compared},
        interval=_interval(run.scores),
        difference="" if is_baseline else str(score_difference(baseline, run)),
        changed=("baseline",) if is_baseline else tuple(map(str, changed)) or ("nothing",),
        why="" if is_baseline else runtime_change(baseline, run, changed),
        is_baseline=is_baseline,
    )


def _name(run: RunRecord) -> str:
    """The run's name, and what kept it from its last epoch if anything did."""
    if "pruned" in run.tags:
        return f"{run.name} (pruned)"
    return run.name if run.status == "FINISHED" else f"{run.name} ({run.status.lower()})"


def config_changes(baseline: RunRecord, run: RunRecord) -> list[Change]:
    """Differences of the configuration, and of the data where it changed under the same settings."""
    found = changes(baseline.params, run.params)
    before, after = baseline.tags.get("data_hash"), run.tags.get("data_hash")
    if before and after and before != after and not any(change.key.startswith("data") for change in found):
        found.append(Change(key="data hash", before=before[:8], after=after[:8]))
    return found


def duration(seconds: float | None) -> str:
    """`42 s`, `3 min 05 s`, `2 h 07 min`."""
    if seconds is None:
        return "not ended"
    if seconds < 100:
        return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 100 else f"{minutes // 60} h {minutes % 60:02d} min"


def _score(scores: Scores | None, name: str) -> str:
    return "-" if scores is None or name not in scores.values else METRICS[name].text(scores.values[name])


def _interval(scores: Scores | None) -> str:
    """`52.0 - 63.9` on the test split; scores on validation clips and leaking tests are named as such."""
    if scores is None:
        return ""
    if scores.split != "test":
        return "validation"
    bounds = "" if scores.low is None or scores.high is None else f"{100 * scores.low:.1f} - {100 * scores.high:.1f}"
    return ", ".join(word for word in (bounds, "leaking" if scores.leaking else "") if word)


def notes(runs: Sequence[RunRecord]) -> list[str]:
    """What a reader has to know about the table, as far as it applies to these runs."""
    labels = [metric.label for metric in METRICS.values() if metric.compared]
    lines = [f"{', '.join(labels)}: on test clips, with the 95 % interval of {METRICS[PRIMARY].label}."]
    if any(run.test is None for run in runs):
        lines.append(
            "validation: no evaluation on the test split is recorded (python commands.py infer-ml-flow). These are the "
            "scores of the epoch with the best validation top-1, so they are rather high."
        )
    if any(run.test is not None and run.test.leaking for run in runs):
        lines.append("leaking: evaluated with evaluation.allow_leakage=true.")
    lines.append(
        "top-1 difference: from the baseline, in percentage points, with its 95 % interval. Where the interval "
        "contains 0, the test clips cannot tell the two runs apart. The interval covers the choice of test clips, not "
        "the choice of the training's seed."
    )
    lines.append(
        "runtime: all epochs with their validation; its ratio to the baseline's comes from epochs x steps per epoch x "
        "seconds per step. Settings that act on the runtime are named where it moved."
    )
    lines.append("within the noise: the epoch times of the two runs overlap, or there are too few epochs to tell.")
    if any(run.seconds is not None and "train_seconds" not in run.facts for run in runs):
        lines.append("Runs that did not log their epochs' times are timed from start to end of the MLflow run.")
    return lines


def terminal_table(rows: Sequence[Row], *, title: str, width: int) -> Table:
    """The figures, one line per run; `terminal_lines` has what takes sentences.

    Where names need the room, the last metrics, the date and the interval are left out, in this order.
    """
    primary, *others = rows[0].scores
    columns = {
        "run": [row.name for row in rows],
        "date": [row.date[5:] for row in rows],
        "runtime": [row.runtime for row in rows],
        primary: [row.scores[primary] for row in rows],
        INTERVAL: [row.interval for row in rows],
        **{label: [row.scores[label] for row in rows] for label in others},
    }
    room = width
    for dropped in (None, *reversed(others), "date", INTERVAL):
        columns.pop(dropped or "", None)
        widths = [max(map(len, (heading, *cells))) for heading, cells in columns.items() if heading != "run"]
        room = width - sum(widths) - 2 * len(widths)
        if room >= min(READABLE_NAME, max(len(row.name) for row in rows)):
            break
    columns["run"] = [shortened(name, max(room, 8)) for name in columns["run"]]
    count = f"{len(rows)} runs" if len(rows) > 1 else "1 run"
    table = Table(
        title=escape(f"{title}: {count}"), title_justify="left", box=None, padding=(0, 2, 0, 0), pad_edge=False
    )
    for heading in columns:
        justify: Literal["left", "right"] = "left" if heading in ("run", "date") else "right"
        table.add_column(heading, justify=justify, no_wrap=True)
    for cells in zip(*columns.values(), strict=True):
        table.add_row(*map(escape, cells))
    return table


def terminal_lines(row: Row) -> list[str]:
    """What changed in a run, what that did to its score, and to its runtime; nothing about the baseline."""
    if row.is_baseline:
        return [f"{row.name} is the baseline"]
    why = [f"  runtime {row.why}"] if row.why else []
    return [row.name, f"  changed: {'; '.join(row.changed)}", f"  top-1 {row.difference}", *why]
