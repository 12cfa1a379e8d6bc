"""What a search found: a table of trials, the best settings as a file, and Optuna's plots."""

import shlex
import warnings
from collections.abc import Mapping, Sequence
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
from action_recognition.errors import ConfigError
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
    return sorted(complete, key=lambda trial: (-trial.values[0], trial.number))


def report_study(
    study: optuna.Study, config: Config, base: Sequence[str], *, console: Console, tracker: Tracker
) -> list[str]:
    """Show and write what a study found.

    Writes `best.yaml`, `history.png`, `curves.png` and, from four complete trials on, `importances.png` to
    `tune.output_dir`.

    Returns:
        The overrides that the best trial drew.

    Raises:
        ConfigError: if no trial was completed.
    """
    trials, everything = ranked(study), study.get_trials(deepcopy=False)
    failed = [trial.user_attrs[ERROR] for trial in everything if ERROR in trial.user_attrs]
    if not trials:
        raise ConfigError(
            f"tune.study={study.study_name}: no trial was completed, "
            f"{f'the last failed: {failed[-1]}' if failed else 'none came to its end'}; give other ranges in "
            f"tune.space and another tune.study, such as {study.study_name}-2"
        )
    best, drawn = trials[0], list[str](trials[0].user_attrs[DRAWN])
    top1 = METRICS[PRIMARY].text(best.values[0])
    tied = [trial.number for trial in trials if trial.values == best.values]
    tie = (
        f"a tie: trials {', '.join(map(str, tied))} share the best validation top-1, {top1}; the validation clips "
        f"cannot tell them apart. Trial {best.number} is taken because it is the earliest, not because it is better"
    )
    importances, directory = _importances(study, trials), Path(config.tune.output_dir)
    heading = (
        f"# Trial {best.number} of study {study.study_name}: validation top-1 {top1}"
        f"{f', the earliest of {len(tied)} with this score' if len(tied) > 1 else ''}."
    )
    replace_file(directory / "best.yaml", f"# @package _global_\n{heading}\n{best_yaml(base, drawn)}".encode())
    written = [directory / "best.yaml", *draw_plots(study, directory, with_importances=bool(importances))]
    scored = "; ".join([f"best top-1 {top1}, of trial {best.number}", *([tie] if len(tied) > 1 else [])])
    tracker.log_metrics({"best_val_top1": best.values[0]})
    tracker.describe({"Search": f"study {study.study_name}, {len(everything)} trials", "Validation": scored})
    tracker.set_tags({"trials": len(everything), "best_trial": best.number, "best_overrides": shlex.join(drawn)})
    for path in written:
        tracker.log_artifact(path, "tune")
    pruned = sum(trial.state == TrialState.PRUNED for trial in everything)
    title = f"study {study.study_name}: {len(trials)} complete, {pruned} pruned, {len(failed)} failed"
    console.print(trials_table(trials, importances, title=title))
    if len(tied) > 1:
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


def best_yaml(base: Sequence[str], drawn: Sequence[str]) -> str:
    """The settings `drawn` in the form of `conf/experiment/`, below the command that trains with them."""
    flat = flatten(trial_config([*base, *drawn]))
    chosen = dict(override.split("=", 1) for override in drawn)
    settings = OmegaConf.create({})
    if options := [{f"override /{group}": option} for group, option in chosen.items() if group not in flat]:
        settings.defaults = options
    for key in filter(flat.__contains__, chosen):
        OmegaConf.update(settings, key, flat[key])
    return (
        f"# {program()} {shlex.join(['train', *each_key_once(base, drawn)])}\n"
        "# A copy of this file is conf/experiment/NAME.yaml, for experiment=NAME instead of the searched keys.\n"
        f"{OmegaConf.to_yaml(settings)}"
    )


def trials_table(trials: Sequence[FrozenTrial], importances: Mapping[str, float], *, title: str) -> Table:
    """The best of the ranked trials; importances are in the columns' heads."""
    table = Table(title=title, title_justify="left")
    table.add_column("trial", justify="right")
    table.add_column("validation\ntop-1", justify="right")
    keys = list(dict.fromkeys(key for trial in trials for key in trial.params))
    for key in keys:
        share = f"\nimportance {importances[key]:.2f}" if key in importances else ""
        # The group has its own line: three keys side by side then fit 80 columns.
        table.add_column(".\n".join(key.rsplit(".", 1)) + share, justify="right", overflow="fold")
    for trial in trials[:SHOWN]:
        values = (trial.params.get(key) for key in keys)
        texts = (f"{value:.3g}" if isinstance(value, float) else str(value) for value in values)
        table.add_row(str(trial.number), METRICS[PRIMARY].text(trial.values[0]), *texts)
    return table


def _importances(study: optuna.Study, trials: Sequence[FrozenTrial]) -> dict[str, float]:
    """The importance of each searched key; empty where there are too few complete trials to tell."""
    if len(trials) < FEWEST_FOR_IMPORTANCES or len({trial.values[0] for trial in trials}) == 1:
        return {}
    try:
        return dict(get_param_importances(study, evaluator=FANOVA))
    except (ValueError, RuntimeError):  # no key that all trials have, no variance in the forest
        return {}
