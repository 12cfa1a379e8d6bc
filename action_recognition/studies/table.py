"""The summary of a series of runs: one row per run as text, the table of the page, table and lines of the terminal."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.markup import escape
from rich.table import Table

from action_recognition.evaluation.metrics import METRICS, PRIMARY
from action_recognition.reports import page
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
        name: the run's name, and what ended it before its last epoch, if anything did.
        scores: by the label of each compared metric, top-1 first; `-` where it was not logged.
        interval: of top-1, or what a reader has to know of the scores.
        difference: between its top-1 and the baseline's.
        changed: one entry per difference of the configuration.
        why: the runtime against the baseline's, with the settings that explain it.
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
    state = "pruned" if "pruned" in run.tags else run.status.lower()
    values = run.scores.values if run.scores else {}
    compared = [metric for metric in METRICS.values() if metric.compared]
    return Row(
        experiment=run.experiment,
        name=run.name if state == "finished" else f"{run.name} ({state})",
        date=f"{run.started:%Y-%m-%d %H:%M}",
        runtime=duration(run.seconds),
        device=run.tags.get("device") or "not logged",
        scores={one.label: one.text(values[one.name]) if one.name in values else "-" for one in compared},
        interval=_interval(run.scores),
        difference="" if is_baseline else str(score_difference(baseline, run)),
        changed=("baseline",) if is_baseline else tuple(map(str, changed)) or ("nothing",),
        why="" if is_baseline else runtime_change(baseline, run, changed),
        is_baseline=is_baseline,
    )


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


def _interval(scores: Scores | None) -> str:
    """`52.0 - 63.9` on the test split; scores on validation clips and leaking tests are named as such."""
    if scores is None:
        return ""
    if scores.split != "test":
        return "validation"
    bounds = "" if scores.low is None or scores.high is None else f"{100 * scores.low:.1f} - {100 * scores.high:.1f}"
    return ", ".join(word for word in (bounds, "leaking" if scores.leaking else "") if word)


def notes(runs: Sequence[RunRecord]) -> list[str]:
    """What a reader has to know about the table of these runs."""
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

    Where names need more room, the last metrics, the date and the interval are left out, in this order.
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
    for dropped in ("", *reversed(others), "date", INTERVAL):
        columns.pop(dropped, None)
        widths = [max(map(len, (heading, *cells))) for heading, cells in columns.items() if heading != "run"]
        room = width - sum(widths) - 2 * len(widths)
        if room >= min(READABLE_NAME, max(len(row.name) for row in rows)):
            break
    columns["run"] = [shortened(name, max(room, 8)) for name in columns["run"]]
    heading = escape(f"{title}: {len(rows)} run{'s' if len(rows) > 1 else ''}")
    table = Table(title=heading, title_justify="left", box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for column in columns:
        table.add_column(column, justify="left" if column in ("run", "date") else "right", no_wrap=True)
    for cells in zip(*columns.values(), strict=True):
        table.add_row(*map(escape, cells))
    return table


def terminal_lines(row: Row) -> list[str]:
    """What changed in a run, and what that did to its score and its runtime; nothing about the baseline."""
    if row.is_baseline:
        return [f"{row.name} is the baseline"]
    why = [f"  runtime {row.why}"] if row.why else []
    return [row.name, f"  changed: {'; '.join(row.changed)}", f"  top-1 {row.difference}", *why]


def page_table(rows: Sequence[Row]) -> page.Table:
    """One row per run; the interval is in brackets after the first score."""
    several = len({row.experiment for row in rows}) > 1
    primary, *others = rows[0].scores
    cells: list[dict[str, page.Cell]] = [
        {
            "run": f"{row.experiment}: {row.name}" if several else row.name,
            "date": row.date,
            "runtime": row.runtime,
            "device": row.device,
            primary: f"{row.scores[primary]} ({row.interval})" if row.interval else row.scores[primary],
            **{label: row.scores[label] for label in others},
            "top-1 difference": row.difference,
            "changed against the baseline": row.changed,
            "runtime against the baseline": row.why,
        }
        for row in rows
    ]
    wide = frozenset(cells[0]) - {"runtime", primary, *others}
    marked = frozenset(number for number, row in enumerate(rows) if row.is_baseline)
    return page.Table(tuple(cells[0]), [tuple(of_run.values()) for of_run in cells], wide=wide, marked=marked)
