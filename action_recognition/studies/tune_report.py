"""What a search found: a table of trials, the best settings as a file, and Optuna's plots."""

import shlex
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import matplotlib.pyplot as plt
import optuna
from matplotlib.figure import Figure
from omegaconf import OmegaConf
from optuna.exceptions import ExperimentalWarning
from optuna.importance import FanovaImportanceEvaluator, get_param_importances
from optuna.trial import FrozenTrial, TrialState
from optuna.visualization import matplotlib as plots
from rich.console import Console
from rich.table import Table

from action_recognition.config import Config, each_key_once, flatten
from action_recognition.evaluation.metrics import METRICS, PRIMARY
from action_recognition.reports.figures import save_figure
from action_recognition.studies.trials import DRAWN, ERROR, trial_config
from action_recognition.tracking.mlflow_run import Tracker
from action_recognition.utils.files import replace_file
from action_recognition.utils.program import program

SHOWN = 10
MOST_IN_LEGEND = 20
# Importance as a share of the score's variance (fANOVA; Hutter et al. 2014, ICML): a forest is fitted to the trials,
# from fewer it learns nothing.
FANOVA = FanovaImportanceEvaluator(seed=0)
FEWEST_FOR_IMPORTANCES = 4


def ranked(study: optuna.Study) -> list[FrozenTrial]:
    """The complete trials, best first, and the earliest of equal ones first."""
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    return sorted(complete, key=lambda trial: (-_score(trial), trial.number))


def _score(trial: FrozenTrial) -> float:
    """Best validation top-1, a share of 1, of a complete trial."""
    return float(trial.values[0])


def _percent(trial: FrozenTrial) -> str:
    return METRICS[PRIMARY].text(_score(trial))


def _tied(trials: Sequence[FrozenTrial]) -> list[int]:
    """The numbers of those ranked trials that share the best score."""
    return [trial.number for trial in trials if _score(trial) == _score(trials[0])]


def _tie_line(trials: Sequence[FrozenTrial]) -> str:
    """Empty where one trial alone has the best score."""
    numbers = _tied(trials)
    if len(numbers) == 1:
        return ""
    return (
        f"a tie: trials {', '.join(map(str, numbers))} share the best validation top-1, {_percent(trials[0])}; the "
        f"validation clips cannot tell them apart. Trial {numbers[0]} is taken because it is the earliest, not because "
        "it is better"
    )


def report_study(
    study: optuna.Study, config: Config, base: Sequence[str], *, console: Console, tracker: Tracker
) -> list[str]:
    """Show and write everything about a study that has a complete trial.

    Writes `best.yaml`, `history.png`, `curves.png` and, from four complete trials on, `importances.png` to
    `tune.output_dir`.

    Returns:
        The overrides that the best trial drew.
    """
    trials, count = ranked(study), len(study.get_trials(deepcopy=False))
    best, tie, importances = trials[0], _tie_line(trials), _importances(study)
    drawn: list[str] = best.user_attrs[DRAWN]
    directory = Path(config.tune.output_dir)
    replace_file(directory / "best.yaml", best_yaml(study, trials, base).encode())
    written = [directory / "best.yaml", *draw_plots(study, directory, with_importances=bool(importances))]
    scored = f"best top-1 {_percent(best)}, of trial {best.number}{f'; {tie}' if tie else ''}"
    tracker.log_metrics({"best_val_top1": _score(best)})
    tracker.describe({"Search": f"study {study.study_name}, {count} trials", "Validation": scored})
    tracker.set_tags({"trials": count, "best_trial": best.number, "best_overrides": shlex.join(drawn)})
    for path in written:
        tracker.log_artifact(path, "tune")
    console.print(trials_table(study, importances))
    if tie:
        console.print(tie, style="yellow", highlight=False, markup=False)
    console.print(", ".join(map(str, written)), highlight=False, markup=False)
    return drawn


def draw_plots(study: optuna.Study, directory: Path, *, with_importances: bool) -> list[Path]:
    """Write Optuna's plots: scores by trial, each trial's validation top-1 by epoch, and what mattered."""
    (directory / "importances.png").unlink(missing_ok=True)  # from an earlier study
    shown = f"validation {METRICS[PRIMARY].label}"
    with warnings.catch_warnings(), plt.style.context("default"):  # Optuna sets another style for all plots
        warnings.simplefilter("ignore", ExperimentalWarning)
        history = plots.plot_optimization_history(study, target_name=shown)
        curves = plots.plot_intermediate_values(study)
        curves.set(title="Validation by epoch", xlabel="epoch, from 0", ylabel=shown)
        if (legend := curves.get_legend()) and len(study.trials) > MOST_IN_LEGEND:
            legend.remove()
        drawn = {"history": history, "curves": curves}
        if with_importances:
            drawn["importances"] = plots.plot_param_importances(study, evaluator=FANOVA, target_name=shown)
        for name, axes in drawn.items():
            save_figure(cast(Figure, axes.figure), directory / f"{name}.png")
    return [directory / f"{name}.png" for name in drawn]


def best_yaml(study: optuna.Study, trials: Sequence[FrozenTrial], base: Sequence[str]) -> str:
    """The best settings in the form of `conf/experiment/`, below the command that trains with them.

    Args:
        trials: ranked.
    """
    best, equal = trials[0], len(_tied(trials))
    drawn: list[str] = best.user_attrs[DRAWN]
    flat = flatten(trial_config([*base, *drawn]))
    settings = OmegaConf.create({})
    options = [override.split("=", 1) for override in drawn if override.split("=", 1)[0] not in flat]
    if options:
        settings.defaults = [{f"override /{group}": option} for group, option in options]
    for key in (override.split("=", 1)[0] for override in drawn):
        if key in flat:
            OmegaConf.update(settings, key, flat[key])
    lines = [
        "# @package _global_",
        f"# Trial {best.number} of study {study.study_name}: validation top-1 {_percent(best)}"
        f"{f', the earliest of {equal} with this score' if equal > 1 else ''}.",
        f"# {program()} {shlex.join(['train', *each_key_once(base, drawn)])}",
        "# A copy of this file is conf/experiment/NAME.yaml, for experiment=NAME instead of the searched keys.",
    ]
    return "\n".join([*lines, OmegaConf.to_yaml(settings)])


def trials_table(study: optuna.Study, importances: dict[str, float] | None) -> Table:
    """The best complete trials; the title counts the others, and importances are in the columns' heads."""
    trials, complete = study.get_trials(deepcopy=False), ranked(study)
    pruned = sum(trial.state == TrialState.PRUNED for trial in trials)
    failed = sum(trial.state == TrialState.FAIL and ERROR in trial.user_attrs for trial in trials)
    title = f"study {study.study_name}: {len(complete)} complete, {pruned} pruned, {failed} failed"
    table = Table(title=title, title_justify="left")
    table.add_column("trial", justify="right")
    table.add_column("validation\ntop-1", justify="right")
    keys = list(dict.fromkeys(key for trial in complete for key in trial.params))
    for key in keys:
        share = f"\nimportance {importances[key]:.2f}" if importances and key in importances else ""
        group, _, name = key.rpartition(".")  # on two lines: three keys side by side fit 80 columns
        table.add_column(f"{group}.\n{name}{share}" if group else f"{key}{share}", justify="right", overflow="fold")
    for trial in complete[:SHOWN]:
        values = [_shown(trial.params.get(key)) for key in keys]
        table.add_row(str(trial.number), _percent(trial), *values)
    return table


def _importances(study: optuna.Study) -> dict[str, float] | None:
    """By key; None where there are too few trials to tell."""
    complete = ranked(study)
    if len(complete) < FEWEST_FOR_IMPORTANCES or len({_score(trial) for trial in complete}) == 1:
        return None
    try:
        return dict(get_param_importances(study, evaluator=FANOVA))
    except (ValueError, RuntimeError):  # no key that all trials have, no variance in the forest
        return None


def _shown(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
