"""`compare-runs`: the runs that `compare` names, and their table, page and plot."""

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Experiment, Run
from rich.console import Console

from action_recognition.config import CompareConfig, Config
from action_recognition.errors import ConfigError, check_choice, did_you_mean
from action_recognition.evaluation.metrics import METRICS
from action_recognition.reports.page import Block, Bullets, Heading, Plot, to_html, to_markdown
from action_recognition.studies.plots import plot_runs
from action_recognition.studies.records import RunRecord, evaluations, is_training, record, search
from action_recognition.studies.table import Row, make_row, notes, page_table, terminal_lines, terminal_table
from action_recognition.tracking.mlflow_store import SQLITE, open_store
from action_recognition.utils.files import replace_file

TRAIN = "python commands.py train-ml-flow"


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Runs, oldest first within an experiment.

    Attributes:
        baselines: the run that those of an experiment are compared with, by the experiment's name; the same run for
            all where experiments are compared with each other.
    """

    runs: tuple[RunRecord, ...]
    baselines: Mapping[str, RunRecord]

    def baseline_of(self, run: RunRecord) -> RunRecord:
        return self.baselines[run.experiment]


def compare_runs(config: Config, *, console: Console) -> Comparison:
    """Show the runs that `compare` names as a table; write `compare.md`, `.html` and `.png` to `compare.output_dir`.

    Raises:
        ConfigError: for an unknown metric, experiment, run or baseline, or if the store has no run.
    """
    check_choice("compare.metric", config.compare.metric, METRICS)
    comparison = find_runs(config)
    rows = [make_row(run, comparison.baseline_of(run)) for run in comparison.runs]
    lines = notes(comparison.runs)
    directory = Path(config.compare.output_dir)
    plot, page, text = (directory / f"compare.{ending}" for ending in ("png", "html", "md"))
    title = f"Runs of {', '.join(dict.fromkeys(run.experiment for run in comparison.runs))}"
    plot_runs(comparison.runs, list(comparison.baselines.values()), plot, metric=config.compare.metric)
    blocks: list[Block] = [
        Heading(title, level=1),
        page_table(rows),
        Bullets(lines),
        Plot(plot.name, plot.read_bytes(), title),
    ]
    replace_file(page, to_html(title, blocks, wide=True).encode())
    replace_file(text, to_markdown(blocks).encode())
    show_comparison(rows, lines, console)
    console.print(f"{text}\n{page}\n{plot}", highlight=False, markup=False)
    return comparison


def show_comparison(rows: Sequence[Row], lines: Sequence[str], console: Console) -> None:
    """One table per experiment with what changed below it, all within the terminal's width."""
    for experiment in dict.fromkeys(row.experiment for row in rows):
        of_it = [row for row in rows if row.experiment == experiment]
        console.print(terminal_table(of_it, title=experiment, width=console.width))
        for row in of_it:
            _print_wrapped(console, terminal_lines(row))
    console.print()
    _print_wrapped(console, lines, style="dim")


def _print_wrapped(console: Console, lines: Sequence[str], style: str = "") -> None:
    for line in lines:
        indent = " " * (len(line) - len(line.lstrip()))
        for piece in textwrap.wrap(
            line, console.width, subsequent_indent=f"{indent}  ", break_long_words=False, break_on_hyphens=False
        ):
            console.print(piece, style=style, highlight=False, markup=False)


def find_runs(config: Config) -> Comparison:
    """The training runs that `compare` names, with their evaluations."""
    tracking, wanted = config.tracking, config.compare
    database = Path(tracking.tracking_uri.removeprefix(SQLITE).split("?")[0])
    if tracking.tracking_uri.startswith(SQLITE) and not database.exists():
        raise ConfigError(f"tracking.tracking_uri={tracking.tracking_uri}: no runs yet; {TRAIN} records one")
    # Without any choice, each experiment is compared within itself.
    apart = wanted.experiments is None and wanted.runs is None and wanted.baseline is None
    with open_store(tracking) as client:
        # tracking.experiment has a default, which is not meant here: it counts only where it was given.
        is_given = any(override.startswith("tracking.experiment=") for override in config.overrides)
        experiments = _experiments(client, wanted, tracking.experiment if is_given else None)
        names = {experiment.experiment_id: experiment.name for experiment in experiments}
        known = [run for run in search(client, list(names)) if is_training(run)]
        chosen = _chosen(known, wanted, list(names.values()))
        baselines = {
            place: _baseline(known, wanted, [run for run in chosen if not apart or run.info.experiment_id == place])
            for place in dict.fromkeys(run.info.experiment_id for run in chosen)
        }
        judged = evaluations(client)
        records = {
            (of := run.info).run_id: record(
                client, run, experiment=names[of.experiment_id], evaluation=judged.get(of.run_id)
            )
            for run in known
            if run in chosen or run in baselines.values()
        }
    by_experiment = {names[place]: records[baseline.info.run_id] for place, baseline in baselines.items()}
    for baseline in list(by_experiment.values()):  # a baseline that was named may belong to another experiment
        by_experiment.setdefault(baseline.experiment, baseline)
    runs = list(records.values())
    if apart:
        runs.sort(key=lambda run: list(by_experiment).index(run.experiment))
    return Comparison(runs=tuple(runs), baselines=by_experiment)


def _experiments(client: MlflowClient, wanted: CompareConfig, current: str | None) -> list[Experiment]:
    stored = {experiment.name: experiment for experiment in client.search_experiments()}
    if wanted.experiments == ["all"] or (wanted.experiments is None and current is None):
        return list(stored.values())
    key = "compare.experiments" if wanted.experiments else "tracking.experiment"
    for name in (names := wanted.experiments or [str(current)]):
        if name not in stored:
            known = ", ".join(sorted(stored)) or "none"
            raise ConfigError(
                f"{key}={name}: no such experiment{did_you_mean(name, stored)}; the store has: {known}; give "
                f"compare.experiments=NAME or all, or record a run: {TRAIN}"
            )
    return [stored[name] for name in names]


def _chosen(known: Sequence[Run], wanted: CompareConfig, experiments: Sequence[str]) -> list[Run]:
    if wanted.runs:
        return [run for name in wanted.runs for run in _named("compare.runs", name, known, experiments)]
    finished = [run for run in known if run.info.status == "FINISHED"]
    if not finished:
        where = ", ".join(experiments) or "any experiment"
        raise ConfigError(f"compare.runs=null: no finished training run in {where}; {TRAIN} records one")
    return finished


def _baseline(known: Sequence[Run], wanted: CompareConfig, chosen: Sequence[Run]) -> Run:
    if wanted.baseline is None:
        return min(chosen, key=lambda run: run.info.start_time)
    found = _named("compare.baseline", wanted.baseline, known, ["the experiments compared"])
    if len(found) > 1:
        ids = ", ".join(run.info.run_id for run in found)
        raise ConfigError(f"compare.baseline={wanted.baseline}: {len(found)} runs have this name; give an id: {ids}")
    return found[0]


def _named(key: str, name: str, known: Sequence[Run], experiments: Sequence[str]) -> list[Run]:
    """The run with this id, or all with this name."""
    found = [run for run in known if run.info.run_id == name] or [run for run in known if run.info.run_name == name]
    if not found:
        names = [run.info.run_name for run in known]
        newest = f"the newest is {names[-1]}" if names else f"no run is recorded yet: {TRAIN}"
        raise ConfigError(
            f"{key}={name}: no training run of this name or id in {', '.join(experiments)}{did_you_mean(name, names)}; "
            f"{newest}; python commands.py compare-runs compare.experiments=all shows all"
        )
    return found
