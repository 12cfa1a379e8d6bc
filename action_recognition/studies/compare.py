"""`compare-runs`: which runs are meant, and their table, page and plot."""

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
from action_recognition.reports.page import to_html, to_markdown
from action_recognition.studies.page import comparison_blocks
from action_recognition.studies.plots import plot_runs
from action_recognition.studies.records import RunRecord, evaluations, is_training, record, search
from action_recognition.studies.table import Row, make_row, notes, terminal_lines, terminal_table
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

    @property
    def experiments(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(run.experiment for run in self.runs))

    def baseline_of(self, run: RunRecord) -> RunRecord:
        return self.baselines[run.experiment]

    @property
    def baseline(self) -> RunRecord:
        """Of the first run."""
        return self.baseline_of(self.runs[0])


def compare_runs(config: Config, *, console: Console) -> Comparison:
    """Show the runs that `compare` names as a table; write `compare.md`, `.html` and `.png` to `compare.output_dir`.

    Raises:
        ConfigError: if there is no such metric, if the store has no run, or if an experiment, run or baseline is not
            there.
    """
    check_choice("compare.metric", config.compare.metric, METRICS)
    comparison = find_runs(config)
    rows = [make_row(run, comparison.baseline_of(run)) for run in comparison.runs]
    lines = notes(comparison.runs)
    directory = Path(config.compare.output_dir)
    plot, page, text = (directory / f"compare.{ending}" for ending in ("png", "html", "md"))
    title = f"Runs of {', '.join(comparison.experiments)}"
    plot_runs(comparison.runs, list(comparison.baselines.values()), plot, metric=config.compare.metric)
    blocks = list(comparison_blocks(rows, lines, title=title, plot=plot))
    replace_file(page, to_html(title, blocks, wide=True).encode())
    replace_file(text, to_markdown(blocks).encode())
    show_comparison(rows, [*lines], console)
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
    with open_store(tracking) as client:
        # tracking.experiment has a default, which is not meant here: only one that was typed counts.
        typed = any(override.startswith("tracking.experiment=") for override in config.overrides)
        experiments = _experiments(client, wanted, tracking.experiment if typed else None)
        names = {experiment.experiment_id: experiment.name for experiment in experiments}
        there = [run for run in search(client, list(names)) if is_training(run)]
        chosen = _chosen(there, wanted, list(names.values()))
        apart = wanted.experiments is None and wanted.runs is None and wanted.baseline is None
        baselines = {
            place: _baseline(there, wanted, [run for run in chosen if not apart or run.info.experiment_id == place])
            for place in dict.fromkeys(run.info.experiment_id for run in chosen)
        }
        judged = evaluations(client)
        records = {
            run.info.run_id: record(
                client, run, experiment=names[run.info.experiment_id], evaluation=judged.get(run.info.run_id)
            )
            for run in there
            if run in chosen or run in baselines.values()
        }
    of_experiment = {names[place]: records[baseline.info.run_id] for place, baseline in baselines.items()}
    for baseline in list(of_experiment.values()):  # one that was named may be of another experiment
        of_experiment.setdefault(baseline.experiment, baseline)
    runs = (
        sorted(records.values(), key=lambda run: list(of_experiment).index(run.experiment))
        if apart
        else records.values()
    )
    return Comparison(runs=tuple(runs), baselines=of_experiment)


def _experiments(client: MlflowClient, wanted: CompareConfig, current: str | None) -> list[Experiment]:
    there = {experiment.name: experiment for experiment in client.search_experiments()}
    if wanted.experiments == ["all"] or (wanted.experiments is None and current is None):
        return list(there.values())
    key = "compare.experiments" if wanted.experiments else "tracking.experiment"
    for name in (names := wanted.experiments or [str(current)]):
        if name not in there:
            known = ", ".join(sorted(there)) or "none"
            raise ConfigError(
                f"{key}={name}: no such experiment{did_you_mean(name, there)}; there are: {known}; give "
                f"compare.experiments=NAME or all, or record a run: {TRAIN}"
            )
    return [there[name] for name in names]


def _chosen(there: Sequence[Run], wanted: CompareConfig, experiments: Sequence[str]) -> list[Run]:
    if wanted.runs:
        return [run for name in wanted.runs for run in _named("compare.runs", name, there, experiments)]
    finished = [run for run in there if run.info.status == "FINISHED"]
    if not finished:
        where = ", ".join(experiments) or "any experiment"
        raise ConfigError(f"compare.runs=null: no finished training run in {where}; {TRAIN} records one")
    return finished


def _baseline(there: Sequence[Run], wanted: CompareConfig, chosen: Sequence[Run]) -> Run:
    if wanted.baseline is None:
        return min(chosen, key=lambda run: run.info.start_time)
    experiments = ["the experiments compared"]
    found = _named("compare.baseline", wanted.baseline, there, experiments)
    if len(found) > 1:
        ids = ", ".join(run.info.run_id for run in found)
        raise ConfigError(f"compare.baseline={wanted.baseline}: {len(found)} runs have this name; give an id: {ids}")
    return found[0]


def _named(key: str, name: str, there: Sequence[Run], experiments: Sequence[str]) -> list[Run]:
    """The run with this id, or all with this name."""
    found = [run for run in there if run.info.run_id == name] or [run for run in there if run.info.run_name == name]
    if not found:
        known = [run.info.run_name for run in there]
        newest = f"; the newest is {known[-1]}" if known else f"; there is none yet: {TRAIN}"
        raise ConfigError(
            f"{key}={name}: no training run of this name or id in {', '.join(experiments)}{did_you_mean(name, known)}"
            f"{newest}; python commands.py compare-runs compare.experiments=all shows all"
        )
    return found
