"""`check-data`: what would make training wrong, found before it does."""

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from action_recognition.cli.command import Call, command
from action_recognition.cli.next_commands import TRAINING
from action_recognition.errors import DataError
from action_recognition.utils.text import printable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from action_recognition.checks.findings import Finding
    from action_recognition.checks.overview import Checked
    from action_recognition.config import Config
    from action_recognition.datasets.records import Manifest

SHOWN = 10  # findings of a kind on the terminal


@command(groups=("data", "clip"), reads_videos=True, needs_data=True)
def run(call: Call) -> None:
    """Decode every clip; report corrupt, short, duplicate, leaking; exit 1 where training would be wrong."""
    check_data(call.config, console=call.console)
    call.print_next({"train": TRAINING})


def check_data(config: "Config", *, console: "Console") -> "Checked":
    """Decode every clip, show what is wrong with any, and write the report.

    Raises:
        DataError: when a finding makes training or its scores wrong.
    """
    from action_recognition.checks.examine import examine
    from action_recognition.checks.findings import KINDS
    from action_recognition.checks.report import write_report

    checked = examine(config, console=console)
    console.print(class_table(checked.manifest))
    for kind, group in groupby(checked.findings, key=lambda finding: finding.kind):
        _show(kind, list(group), console)
    for line in checked.remarks:
        console.print(f"remark: {printable(line)}", markup=False, highlight=False)
    if checked.unknown_sources:
        console.print(f"leakage: {printable(checked.unknown_sources)}", style="bold red", markup=False, soft_wrap=True)
    for leakage in checked.leakage if not checked.unknown_sources else ():
        console.print(f"leakage: {printable(leakage)}", markup=False, highlight=False)
    html, markdown = write_report(checked, Path(config.plots_dir))
    console.print(f"{html}, {markdown}", markup=False, highlight=False)
    faults = checked.faults
    if faults:
        counts = ", ".join(f"{kind} {n}" for kind in KINDS if (n := sum(f.kind == kind for f in faults)))
        raise DataError(
            f"{config.data.name}: {counts}: training or its scores would be wrong (first: {faults[0].path}); "
            f"see {html}, put these clips or the split files right, then: python commands.py check-data"
        )
    found = f"{len(checked.findings)} findings that do not" if checked.findings else "no findings"
    verdict = "nothing that makes training wrong"
    if checked.unknown_sources:
        verdict = "nothing found that makes training wrong, but sources are not known, so leakage cannot be seen"
    console.print(f"{config.data.name}: {verdict}; {found}", markup=False, highlight=False, soft_wrap=True)
    return checked


def class_table(manifest: "Manifest") -> "Table":
    """Clips of each class in each split, and their lengths."""
    from rich.table import Table

    from action_recognition.checks.overview import class_rows
    from action_recognition.datasets.records import SPLITS

    table = Table(title=str(manifest.videos_dir), title_justify="left")
    table.add_column("class")
    for column in (*SPLITS, "sources", "frames"):
        table.add_column(column, justify="right")
    for label, counts, sources, lengths in class_rows(manifest):
        table.add_row(label, *map(str, counts), str(sources), lengths)
    return table


def _show(kind: str, findings: "Sequence[Finding]", console: "Console") -> None:
    from action_recognition.checks.findings import KINDS

    style = "bold red" if KINDS[kind].fault else "bold"
    console.print(f"{kind} ({len(findings)}): {KINDS[kind].meaning}", style=style, markup=False, highlight=False)
    for finding in findings[:SHOWN]:
        console.print(f"  {printable(finding.path)}: {printable(finding.detail)}", markup=False, highlight=False)
    if len(findings) > SHOWN:
        console.print(f"  and {len(findings) - SHOWN} more", highlight=False)
