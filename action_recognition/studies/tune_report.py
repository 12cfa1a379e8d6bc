"""What a search found: trials as a table, the best settings as a file, plots of its course and of what mattered."""

import shlex
from collections.abc import Sequence
from pathlib import Path

import optuna
from omegaconf import OmegaConf
from optuna.importance import FanovaImportanceEvaluator, get_param_importances
from optuna.trial import FrozenTrial, TrialState
from rich.console import Console
from rich.table import Table

from action_recognition.config import Config, each_key_once, flatten
from action_recognition.studies.plots import plot_importances, plot_search
from action_recognition.studies.trials import DRAWN, ERROR, trial_config
from action_recognition.tracking.mlflow_run import Tracker
from action_recognition.utils.files import replace_file

SHOWN = 10
# fANOVA fits a forest to the trials; of fewer it says nothing.
FEWEST_FOR_IMPORTANCES = 4


def best_trial(study: optuna.Study) -> FrozenTrial | None:
    """The complete trial with the highest score, the earliest of equal ones; None where none is complete."""
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    return max(complete, key=lambda trial: (_score(trial), -trial.number), default=None)


def tied_with(study: optuna.Study, best: FrozenTrial) -> list[FrozenTrial]:
    """The complete trials with the best one's score, it among them, the earliest first."""
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    return sorted((trial for trial in complete if _score(trial) == _score(best)), key=lambda trial: trial.number)


def _tie_line(study: optuna.Study, best: FrozenTrial) -> str:
    """Empty where one trial alone has the best score."""
    tied = tied_with(study, best)
    if len(tied) == 1:
        return ""
    numbers = ", ".join(str(trial.number) for trial in tied)
    return (
        f"a tie: trials {numbers} share the best validation top-1, {100 * _score(best):.1f} %; the validation clips "
        f"cannot tell them apart. Trial {best.number} is taken because it is the earliest, not because it is better"
    )


def report_study(
    study: optuna.Study, config: Config, base: Sequence[str], *, console: Console, tracker: Tracker
) -> list[str]:
    """Show and write everything about a study that has a complete trial.

    Writes `best.yaml`, `history.png` and, of four complete trials on, `importances.png` to `tune.output_dir`.

    Returns:
        The overrides that the best trial drew.
    """
    best = best_trial(study)
    assert best is not None
    directory = Path(config.tune.output_dir)
    written = [directory / "best.yaml", directory / "history.png"]
    drawn: list[str] = best.user_attrs[DRAWN]
    replace_file(written[0], best_yaml(study, best, base).encode())
    trials = study.get_trials(deepcopy=False)
    plot_search([(t.number, _score(t), t.state.name.lower()) for t in trials if t.intermediate_values], written[1])
    importances = _importances(study)
    if importances:
        written.append(directory / "importances.png")
        plot_importances(importances, written[-1])
    else:
        (directory / "importances.png").unlink(missing_ok=True)  # of an earlier study
    tie = _tie_line(study, best)
    tracker.log_metrics({"best_val_top1": _score(best)})
    tracker.describe(
        {
            "Search": f"study {study.study_name}, {len(trials)} trials",
            "Validation": f"best top-1 {100 * _score(best):.1f} %, of trial {best.number}{f'; {tie}' if tie else ''}",
        }
    )
    tracker.set_tags({"trials": len(trials), "best_trial": best.number, "best_overrides": shlex.join(drawn)})
    for path in written:
        tracker.log_artifact(path, "tune")
    console.print(trials_table(study, importances))
    if tie:
        console.print(tie, style="yellow", highlight=False, markup=False)
    console.print(", ".join(map(str, written)), highlight=False, markup=False)
    return drawn


def best_yaml(study: optuna.Study, best: FrozenTrial, base: Sequence[str]) -> str:
    """The drawn settings in the form of `conf/experiment/`, the command that trains with them above."""
    drawn: list[str] = best.user_attrs[DRAWN]
    flat = flatten(trial_config([*base, *drawn]))
    settings = OmegaConf.create({})
    options = [override.split("=", 1) for override in drawn if override.split("=", 1)[0] not in flat]
    if options:
        settings.defaults = [{f"override /{group}": option} for group, option in options]
    for key in (override.split("=", 1)[0] for override in drawn):
        if key in flat:
            OmegaConf.update(settings, key, flat[key])
    tied = len(tied_with(study, best))
    lines = [
        "# @package _global_",
        f"# Trial {best.number} of study {study.study_name}: validation top-1 {100 * _score(best):.1f} %"
        f"{f', the earliest of {tied} with this score' if tied > 1 else ''}.",
        f"# {shlex.join(['python', 'commands.py', 'train', *each_key_once(base, drawn)])}",
        "# A copy of this file is conf/experiment/NAME.yaml, for experiment=NAME instead of the searched keys.",
    ]
    return "\n".join([*lines, OmegaConf.to_yaml(settings)])


def trials_table(study: optuna.Study, importances: dict[str, float] | None) -> Table:
    """The best complete trials, then what became of the others; importances are in the columns' heads."""
    trials = study.get_trials(deepcopy=False)
    complete = sorted(
        (trial for trial in trials if trial.state == TrialState.COMPLETE), key=lambda t: (-_score(t), t.number)
    )
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
        table.add_row(str(trial.number), f"{100 * _score(trial):.1f} %", *values)
    return table


def _importances(study: optuna.Study) -> dict[str, float] | None:
    """Shares of the score's variance (fANOVA; Hutter et al. 2014, ICML); None where there is too little to tell."""
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if len(complete) < FEWEST_FOR_IMPORTANCES or len({_score(trial) for trial in complete}) == 1:
        return None
    try:
        return dict(get_param_importances(study, evaluator=FanovaImportanceEvaluator(seed=0)))
    except (ValueError, RuntimeError):  # no key that all trials have, no variance in the forest
        return None


def _score(trial: FrozenTrial) -> float:
    """Best validation top-1; of a trial that was pruned, up to there."""
    return float(trial.value if trial.value is not None else max(trial.intermediate_values.values()))


def _shown(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
