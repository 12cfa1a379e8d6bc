"""The summary table of a series of runs: its rows as text, then as terminal table, Markdown and HTML."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.markup import escape
from rich.table import Table

from action_recognition.experiments.changes import Change, changes
from action_recognition.experiments.records import RunRecord, Scores
from action_recognition.experiments.runtime import runtime_change

HEADINGS = (
    "run",
    "date",
    "runtime",
    "device",
    "top-1",
    "top-3",
    "changed against the baseline",
    "why the runtime moved",
)
FIGURES = 6  # the first so many columns are short
NUMBERS = ("runtime", "top-1", "top-3")


@dataclass(frozen=True, kw_only=True)
class Row:
    """One run as text; `changed` has one entry a difference."""

    name: str
    date: str
    runtime: str
    device: str
    top1: str
    top3: str
    changed: tuple[str, ...]
    why: str
    is_baseline: bool

    def cells(self, *, separator: str) -> tuple[str, ...]:
        changed = separator.join(self.changed)
        return self.name, self.date, self.runtime, self.device, self.top1, self.top3, changed, self.why


def make_row(run: RunRecord, baseline: RunRecord) -> Row:
    is_baseline = run.run_id == baseline.run_id
    changed = config_changes(baseline, run)
    moved = None if is_baseline else runtime_change(baseline, run, changed)
    return Row(
        name=_name(run),
        date=f"{run.started:%Y-%m-%d %H:%M}",
        runtime=duration(run.seconds),
        device=run.device or "not logged",
        top1=_score(run.scores, "top1"),
        top3=_score(run.scores, "top3"),
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
    """`58.1 % (52.0 - 63.9)` on the test split; validation and leaking tests are called so."""
    if scores is None or name not in scores.values:
        return "-"
    text = f"{100 * scores.values[name]:.1f} %"
    if name == "top1" and scores.low is not None and scores.high is not None:
        text += f" ({100 * scores.low:.1f} - {100 * scores.high:.1f})"
    if scores.split != "test":
        return f"{text} (validation)"
    return f"{text}, leaking" if scores.leaking else text


def notes(runs: Sequence[RunRecord]) -> list[str]:
    """What one has to know to read the table, as far as it applies to these runs."""
    lines = ["top-1 and top-3: shares of test clips, with the 95 % interval of top-1."]
    if any(run.test is None for run in runs):
        lines.append(
            "(validation): no evaluation on the test split is recorded (python commands.py infer-ml-flow); best epoch "
            "by validation top-1, so rather high."
        )
    if any(run.test is not None and run.test.leaking for run in runs):
        lines.append("leaking: evaluated with evaluation.allow_leakage=true.")
    lines.append("runtime: all epochs with their validation. Its ratio is epochs x steps an epoch x time of a step.")
    if any(run.seconds is not None and "train_seconds" not in run.facts for run in runs):
        lines.append("Runs that did not log the time of their epochs count from start to end of the MLflow run.")
    return lines


def terminal_table(rows: Sequence[Row]) -> Table:
    """The figures; what takes sentences is in `terminal_lines`."""
    table = Table(title=f"{len(rows)} runs" if len(rows) > 1 else "1 run", title_justify="left")
    for heading in HEADINGS[:FIGURES]:
        table.add_column(heading, justify="right" if heading in NUMBERS else "left", overflow="fold")
    for row in rows:
        table.add_row(*map(escape, row.cells(separator="")[:FIGURES]))
    return table


def terminal_lines(row: Row) -> list[str]:
    """What changed in a run and why its runtime moved; nothing of the baseline."""
    if row.is_baseline:
        return [f"{row.name} is the baseline"]
    why = [f"  runtime {row.why}"] if row.why else []
    return [row.name, f"  changed: {'; '.join(row.changed)}", *why]


def markdown(rows: Sequence[Row], lines: Sequence[str], *, title: str, plot: str) -> str:
    marks = ["---:" if heading in NUMBERS else "---" for heading in HEADINGS]
    body = [HEADINGS, marks, *([_cell(text) for text in row.cells(separator="; ")] for row in rows)]
    table = "\n".join(f"| {' | '.join(cells)} |" for cells in body)
    return f"# {title}\n\n{table}\n\n" + "\n".join(f"- {line}" for line in lines) + f"\n\n![{title}]({plot})\n"


def _cell(text: str) -> str:
    """Not to end the cell, nor to be taken for markup."""
    for character in "\\|<*_`[":
        text = text.replace(character, f"\\{character}")
    return " ".join(text.split())
