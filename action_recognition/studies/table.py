"""The summary table of a series of runs: its rows as text, then as terminal table, Markdown and HTML."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from rich.markup import escape
from rich.table import Table

from action_recognition.studies.changes import Change, changes
from action_recognition.studies.noise import score_difference
from action_recognition.studies.records import RunRecord, Scores
from action_recognition.studies.runtime import runtime_change

HEADINGS = (
    "run",
    "date",
    "runtime",
    "device",
    "top-1",
    "top-3",
    "top-1 difference",
    "changed against the baseline",
    "why the runtime moved",
)
NUMBERS = ("runtime", "top-1", "top-3")
# On a terminal, what gives way first where names need the room.
DROPPED_FIRST = ("top-3", "date", "95 % interval")
READABLE_NAME = 28


@dataclass(frozen=True, kw_only=True)
class Row:
    """One run as text; `changed` has one entry a difference."""

    experiment: str
    name: str
    date: str
    runtime: str
    device: str
    top1: str
    interval: str
    top3: str
    difference: str
    changed: tuple[str, ...]
    why: str
    is_baseline: bool

    def cells(self, *, separator: str) -> tuple[str, ...]:
        changed = separator.join(self.changed)
        top1 = f"{self.top1} ({self.interval})" if self.interval else self.top1
        return (
            *(self.name, self.date, self.runtime, self.device, top1, self.top3),
            *(self.difference, changed, self.why),
        )


def make_row(run: RunRecord, baseline: RunRecord) -> Row:
    is_baseline = run.run_id == baseline.run_id
    changed = config_changes(baseline, run)
    moved = None if is_baseline else runtime_change(baseline, run, changed)
    return Row(
        experiment=run.experiment,
        name=_name(run),
        date=f"{run.started:%Y-%m-%d %H:%M}",
        runtime=duration(run.seconds),
        device=run.device or "not logged",
        top1=_score(run.scores, "top1"),
        interval=_interval(run.scores),
        top3=_score(run.scores, "top3"),
        difference="" if is_baseline else str(score_difference(baseline, run)),
        changed=("baseline",) if is_baseline else tuple(map(str, changed)) or ("nothing",),
        why=str(moved) if moved else "",
        is_baseline=is_baseline,
    )


def _name(run: RunRecord) -> str:
    """With what kept it from its last epoch, if anything did."""
    if "pruned" in run.tags:
        return f"{run.name} (pruned)"
    return run.name if run.status == "FINISHED" else f"{run.name} ({run.status.lower()})"


def config_changes(baseline: RunRecord, run: RunRecord) -> list[Change]:
    """Of the configuration, and of the data where it is another under the same settings."""
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
    return "-" if scores is None or name not in scores.values else f"{100 * scores.values[name]:.1f} %"


def _interval(scores: Scores | None) -> str:
    """`52.0 - 63.9` on the test split; validation and leaking tests are called so."""
    if scores is None:
        return ""
    if scores.split != "test":
        return "validation"
    bounds = "" if scores.low is None or scores.high is None else f"{100 * scores.low:.1f} - {100 * scores.high:.1f}"
    return ", ".join(word for word in (bounds, "leaking" if scores.leaking else "") if word)


def notes(runs: Sequence[RunRecord]) -> list[str]:
    """What one has to know to read the table, as far as it applies to these runs."""
    lines = ["top-1 and top-3: shares of test clips, with the 95 % interval of top-1."]
    if any(run.test is None for run in runs):
        lines.append(
            "validation: no evaluation on the test split is recorded (python commands.py infer-ml-flow); best epoch "
            "by validation top-1, so rather high."
        )
    if any(run.test is not None and run.test.leaking for run in runs):
        lines.append("leaking: evaluated with evaluation.allow_leakage=true.")
    lines.append(
        "top-1 difference: to the baseline, in percent points, with its 95 % interval. Where that holds 0, the "
        "test clips cannot tell the two apart, and no changed setting is to be blamed or praised. The interval is over "
        "test clips, not over trainings with other seeds, which differ as well."
    )
    lines.append("runtime: all epochs with their validation. Its ratio is epochs x steps an epoch x time of a step.")
    lines.append("within the noise: the times of the two runs' epochs overlap, or there are too few epochs to tell.")
    if any(run.seconds is not None and "train_seconds" not in run.facts for run in runs):
        lines.append("Runs that did not log the time of their epochs count from start to end of the MLflow run.")
    return lines


def terminal_table(rows: Sequence[Row], *, title: str, width: int) -> Table:
    """The figures, on one line a run; what takes sentences is in `terminal_lines`."""
    columns = {
        "run": [row.name for row in rows],
        "date": [row.date[5:] for row in rows],
        "runtime": [row.runtime for row in rows],
        "top-1": [row.top1 for row in rows],
        "95 % interval": [row.interval for row in rows],
        "top-3": [row.top3 for row in rows],
    }
    room = width
    for dropped in (None, *DROPPED_FIRST):
        columns.pop(dropped or "", None)
        others = [max(map(len, (heading, *cells))) for heading, cells in columns.items() if heading != "run"]
        room = width - sum(others) - 2 * len(others)
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
    """What changed in a run, what that did, and why its runtime moved; nothing of the baseline."""
    if row.is_baseline:
        return [f"{row.name} is the baseline"]
    why = [f"  runtime {row.why}"] if row.why else []
    return [row.name, f"  changed: {'; '.join(row.changed)}", f"  top-1 {row.difference}", *why]


def named(rows: Sequence[Row], row: Row) -> Row:
    """The row with its experiment before its name, where rows of several experiments are in one table."""
    several = len({other.experiment for other in rows}) > 1
    return replace(row, name=f"{row.experiment}: {row.name}") if several else row


def shortened(name: str, longest: int) -> str:
    """A long name without its middle: what tells runs apart is at both ends."""
    half = (longest - 1) // 2
    return name if len(name) <= longest else f"{name[:half]}…{name[-half:]}"


def markdown(rows: Sequence[Row], lines: Sequence[str], *, title: str, plot: str) -> str:
    marks = ["---:" if heading in NUMBERS else "---" for heading in HEADINGS]
    body = [HEADINGS, marks, *([_cell(text) for text in named(rows, row).cells(separator="; ")] for row in rows)]
    table = "\n".join(f"| {' | '.join(cells)} |" for cells in body)
    return f"# {title}\n\n{table}\n\n" + "\n".join(f"- {line}" for line in lines) + f"\n\n![{title}]({plot})\n"


def _cell(text: str) -> str:
    """Not to end the cell, nor to be taken for markup."""
    for character in "\\|<*_`[":
        text = text.replace(character, f"\\{character}")
    return " ".join(text.split())
