"""`tune`: a search for better settings by validation top-1. The test split is never read."""

import math
import shlex
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import optuna
from rich.console import Console

from action_recognition.config import Config, Lifetime, each_key_once, key_of, keys_marked
from action_recognition.data.datamodule import make_contract
from action_recognition.data.load import load_manifest
from action_recognition.datasets import dataset_of
from action_recognition.errors import ConfigError
from action_recognition.studies.space import Space, read_space
from action_recognition.studies.study import MLFLOW_RUN, STEP_PLAN, open_study, seed_sampler
from action_recognition.studies.trials import RUN_DIR, fail_abandoned, finished, run_trial, trial_config
from action_recognition.studies.tune_report import ranked, report_study
from action_recognition.tracking.mlflow_run import open_run
from action_recognition.tracking.run_folders import checkpoint_dir, remember_run
from action_recognition.training.preparation import choose_step_plan, find_weights
from action_recognition.training.trainer import quiet_lightning

KEPT = ("tracking.", "evaluation.")


def run_tune(config: Config, *, console: Console) -> str:
    """Run trials until the study has `tune.trials`, or `tune.timeout_minutes` are over; then report.

    Each trial trains from scratch on the training clips; its score is the best validation top-1 over its epochs. The
    checkpoints `best` and `last` are then those of the best trial.

    Returns:
        The `train` command with the best settings, without `python commands.py`.

    Raises:
        ConfigError: before anything is trained, for a space that does not fit the configuration, for data without
            validation clips, and for a study of other settings; at the end, if no trial was completed.
    """
    base = _base_overrides(config)
    space = read_space(config, base)
    base = [override for override in base if override.split("=", 1)[0] not in space]
    find_weights(config)  # before anything that takes long
    study = open_study(config, space, data_hash=_checked_data(config, console))
    fail_abandoned(study, config)
    quiet_lightning()
    base = with_step_plan(study, config, space, base, console=console)
    name = config.tracking.run_name or f"tune-{study.study_name}"
    own = replace(config, tracking=replace(config.tracking, run_name=name, system_metrics=False))
    tags = {"command": "tune", "study": study.study_name}
    with open_run(own, tags=tags, resume_run_id=study.user_attrs.get(MLFLOW_RUN)) as tracker:
        study.set_user_attr(MLFLOW_RUN, tracker.run_id)
        try:
            _run_trials(study, space, config, base, console=console, parent=tracker.run_id)
        except BaseException:
            line = f"study {study.study_name} keeps its {finished(study)} trials; the same command continues it"
            console.print(line, highlight=False, markup=False)
            raise
        finally:
            _point_to_best(study, config)
        drawn = report_study(study, config, base, console=console, tracker=tracker)
        console.print(f"see the runs: {tracker.url_hint}", highlight=False, markup=False)
    return shlex.join(["train", *each_key_once(base, drawn)])


def with_step_plan(
    study: optuna.Study, config: Config, space: Space, base: Sequence[str], *, console: Console
) -> list[str]:
    """The overrides that all trials share, with number format and memory layout in place of `auto`.

    They are measured once and kept with the study. Otherwise trials could compute differently, because another program
    ran during a measurement or the study continued elsewhere, and would differ by more than their settings.
    """
    given = {"trainer.precision": config.trainer.precision, "trainer.memory_format": config.trainer.memory_format}
    open_keys = [key for key, value in given.items() if value == "auto" and not {key, "trainer"} & space.keys()]
    if not open_keys:
        return list(base)
    if STEP_PLAN not in study.user_attrs:
        shared = trial_config(base)
        contract = make_contract(shared, load_manifest(shared, Console(quiet=True)))
        plan = choose_step_plan(shared, contract, console)
        measured = dict(zip(given, (plan.precision, plan.memory_format), strict=True))
        study.set_user_attr(STEP_PLAN, measured)
    kept = study.user_attrs[STEP_PLAN]
    line = f"every trial of study {study.study_name} computes with {', '.join(str(kept[key]) for key in open_keys)}"
    console.print(line, highlight=False, markup=False)
    return each_key_once(base, [f"{key}={kept[key]}" for key in open_keys])


def _base_overrides(config: Config) -> list[str]:
    """The overrides given, without those of the search itself; group options stay."""
    if config.trainer.resume:
        raise ConfigError("trainer.resume: trials train from scratch; to continue a study, give the same tune.study")
    if config.trainer.devices != 1:
        raise ConfigError(f"trainer.devices={config.trainer.devices}: a trial trains in one process; give 1")
    left_out = tuple(prefix for prefix in keys_marked(Lifetime.COMMAND) if prefix not in KEPT)
    return [given for given in config.overrides if not f"{key_of(given)}.".startswith(left_out)]


def _checked_data(config: Config, console: Console) -> str:
    """The data's hash, after a check that there are validation clips to judge trials by."""
    hint = "a search needs validation clips; give data.val_fraction=0.15, say"
    if config.data.val_fraction == 0 and not dataset_of(config.data).reads_shards:
        raise ConfigError(f"data.val_fraction=0: {hint}")
    if config.trainer.limit_val_batches == 0:
        raise ConfigError("trainer.limit_val_batches=0: a search needs validation; give null")
    manifest = load_manifest(config, console)
    if not manifest.split("val", min_frames=make_contract(config, manifest).min_frames):
        given = f"data.val_fraction={config.data.val_fraction}"
        raise ConfigError(f"{given}: no validation clip in {config.data.name}; {hint}")
    return str(manifest.data_hash)


def _run_trials(
    study: optuna.Study, space: Space, config: Config, base: Sequence[str], *, console: Console, parent: str
) -> None:
    tune = config.tune
    if done := finished(study):
        console.print(f"study {study.study_name} continues: it has {done} of {tune.trials} trials", highlight=False)
    limit = time.monotonic() + 60 * (tune.timeout_minutes or math.inf)
    while (done := finished(study)) < tune.trials:
        if time.monotonic() > limit:
            console.print(f"tune.timeout_minutes={tune.timeout_minutes} are over", style="yellow", highlight=False)
            break
        seed_sampler(study, config, finished=done)
        run_trial(study, space, config, base, console=console, parent=parent)


def _point_to_best(study: optuna.Study, config: Config) -> None:
    """Make the best trial the last run, which `infer` and `export-onnx` take; each trial had made itself that."""
    for best in ranked(study)[:1]:
        run_dir = Path(best.user_attrs[RUN_DIR])
        if checkpoint_dir(run_dir).is_dir():
            remember_run(run_dir, plots_dir=config.plots_dir)
