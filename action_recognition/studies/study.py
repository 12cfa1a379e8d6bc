"""The Optuna study of a search: a new one, or an earlier one that asked the same question."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import optuna
from optuna.distributions import check_distribution_compatibility
from optuna.exceptions import OptunaError
from sqlalchemy.exc import SQLAlchemyError

from action_recognition.config import Config, TuneConfig, flatten
from action_recognition.errors import ConfigError, first_line
from action_recognition.studies.changes import CHOICES, changes
from action_recognition.studies.space import SearchKey
from action_recognition.tracking.mlflow_store import SQLITE
from action_recognition.utils.files import placing

# What a study records: its trials' common settings, their data, how they compute, and its MLflow run.
SETTINGS, DATA_HASH, STEP_PLAN, MLFLOW_RUN = "settings", "data_hash", "step_plan", "mlflow_run_id"


def open_study(config: Config, space: Sequence[SearchKey], *, data_hash: str) -> optuna.Study:
    """The study `tune.study`, to be maximised, sampled by TPE (Bergstra et al. 2011, NeurIPS).

    Raises:
        ConfigError: if the storage cannot be used, or if the study's trials had other settings, other data or ranges
            of another kind, so that their scores and new ones do not compare.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)  # trials are shown by the command itself
    tune = config.tune
    with _storage_errors(tune):
        if tune.storage.startswith(SQLITE):
            _make_database(Path(tune.storage.removeprefix(SQLITE).split("?")[0]).absolute())
        study = optuna.create_study(
            storage=tune.storage,
            study_name=tune.study,
            direction="maximize",
            load_if_exists=True,
            pruner=_pruner(tune),
        )
        seed_sampler(study, config, finished=len(study.get_trials(deepcopy=False)))
        _check_same_question(study, config, space, data_hash)
    return study


def _make_database(path: Path) -> None:
    """Make Optuna's tables all at once, as `mlflow_store.make_database` does for MLflow's."""
    if not path.exists():
        with placing(path) as partial:
            optuna.storages.RDBStorage(f"{SQLITE}{partial.as_posix()}").engine.dispose()


def seed_sampler(study: optuna.Study, config: Config, *, finished: int) -> None:
    """Make the next draw follow from the seed and the number of trials that count.

    A study that was killed and goes on then draws what it would have drawn, and repeats no draw.
    """
    seed = config.trainer.seed + finished
    study.sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=config.tune.startup_trials)


def _pruner(tune: TuneConfig) -> optuna.pruners.BasePruner:
    if tune.pruner == "none":
        return optuna.pruners.NopPruner()
    return optuna.pruners.MedianPruner(n_startup_trials=tune.startup_trials, n_warmup_steps=tune.warmup_epochs)


@contextmanager
def _storage_errors(tune: TuneConfig) -> Iterator[None]:
    try:
        yield
    except (SQLAlchemyError, OptunaError, ImportError, OSError) as error:
        line = f"tune.storage={tune.storage}: Optuna cannot use it: {first_line(error)}; give {SQLITE}FILE"
        raise ConfigError(line) from error


def _check_same_question(study: optuna.Study, config: Config, space: Sequence[SearchKey], data_hash: str) -> None:
    settings = _common_settings(config, space)
    if SETTINGS not in study.user_attrs:
        study.set_user_attr(SETTINGS, json.dumps(settings))
        study.set_user_attr(DATA_HASH, data_hash)
        return
    name = f"tune.study={study.study_name}"
    other = f"give another tune.study, such as {study.study_name}-2"
    before = json.loads(study.user_attrs[SETTINGS])
    searched = [entry.key for entry in space]
    for change in changes(_without(before, searched), settings):
        raise ConfigError(f"{name}: its trials had other settings ({change}), their scores do not compare; {other}")
    if study.user_attrs[DATA_HASH] != data_hash:
        raise ConfigError(f"{name}: its trials had other data (hash {study.user_attrs[DATA_HASH]}); {other}")
    for trial in study.get_trials(deepcopy=False):
        for entry in space:
            if entry.key in trial.distributions:
                try:
                    check_distribution_compatibility(trial.distributions[entry.key], entry.distribution)
                except ValueError:
                    line = f"{name}: tune.space.{entry.key} has another type, log or choices than its trials; {other}"
                    raise ConfigError(line) from None


def _common_settings(config: Config, space: Sequence[SearchKey]) -> dict[str, str]:
    return _without({key: str(value) for key, value in flatten(config).items()}, [entry.key for entry in space])


def _without(settings: dict[str, str], searched: Sequence[str]) -> dict[str, str]:
    """Without the searched keys, and without the keys of a group whose choice is searched."""
    groups = tuple(f"{key}." for key in searched if key in CHOICES.values() or "." not in key)
    return {key: value for key, value in settings.items() if key not in searched and not key.startswith(groups)}
