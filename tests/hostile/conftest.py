"""Good files for the corpus, made once, and a summary of what became of the inputs."""

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers.support import ROOT
from hostile.corpus import SEED, Kind
from hostile.outcomes import REFUSED, RIGHT, WRONG, Outcome

_tried: dict[str, dict[int, Outcome]] = {}


@pytest.fixture(scope="session")
def hostile_material(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made in a child process: this one stays small."""
    folder = tmp_path_factory.mktemp("hostile") / "material"
    path = os.pathsep.join([str(ROOT), str(ROOT / "tests"), *sys.path])
    # One thread, as in the workers: with more, sums of another order give other weights.
    environment = os.environ | {"PYTHONPATH": path, "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "hostile.material", str(folder)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=250,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


@pytest.fixture(scope="session")
def hostile_report() -> Callable[[Kind, dict[int, Outcome]], None]:
    """Notes outcomes for the summary at the end."""

    def note(kind: Kind, outcomes: dict[int, Outcome]) -> None:
        _tried.setdefault(kind.name, {}).update(outcomes)

    return note


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """One line a kind: inputs, how they ended, the largest growth of memory and the longest time."""
    if not _tried:
        return
    terminalreporter.section(f"hostile inputs, seed {SEED}")
    row = "{:<12}{:>8}{:>9}{:>8}{:>8}{:>9}{:>10}{:>9}"
    terminalreporter.line(row.format("kind", "inputs", REFUSED, RIGHT, WRONG, "most MB", "longest s", "sum s"))
    total: Counter[str] = Counter()
    for name, outcomes in _tried.items():
        verdicts = Counter(outcome.verdict for outcome in outcomes.values())
        total += verdicts
        seconds = [outcome.seconds for outcome in outcomes.values()]
        most = max(outcome.megabytes for outcome in outcomes.values())
        counts = (verdicts[REFUSED], verdicts[RIGHT], verdicts[WRONG])
        figures = (f"{most:.0f}", f"{max(seconds):.1f}", f"{sum(seconds):.0f}")
        terminalreporter.line(row.format(name, len(outcomes), *counts, *figures))
    counts = (total[REFUSED], total[RIGHT], total[WRONG])
    terminalreporter.line(row.format("all", total.total(), *counts, "", "", ""))
