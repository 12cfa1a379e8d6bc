"""The Optuna study of a search: a new one, or an earlier one that asked the same question."""

import json
from pathlib import Path

import optuna
from optuna.distributions import check_distribution_compatibility
from optuna.exceptions import OptunaError
from optuna.pruners import MedianPruner, NopPruner
from sqlalchemy.exc import SQLAlchemyError

from action_recognition.config import Config, flatten
from action_recognition.errors import ConfigError, first_line
from action_recognition.studies.changes import CHOICES, changes
from action_recognition.studies.space import Space
from action_recognition.tracking.mlflow_store import SQLITE
from action_recognition.utils.files import placing

# What a study records: its trials' common settings, their data, how they compute, and its MLflow run.
SETTINGS, DATA_HASH, STEP_PLAN, MLFLOW_RUN = "settings", "data_hash", "step_plan", "mlflow_run_id"


def open_study(config: Config, space: Space, *, data_hash: str) -> optuna.Study:
    """The study `tune.study`, to be maximised, sampled by TPE (Bergstra et al. 2011, NeurIPS).

    Raises:
        ConfigError: if the storage cannot be used, or if the study's trials had other settings, other data or ranges
            of another kind, so that their scores and new ones do not compare.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)  # trials are shown by the command itself
    tune = config.tune
    median = MedianPruner(n_startup_trials=tune.startup_trials, n_warmup_steps=tune.warmup_epochs)
    try:
        if tune.storage.startswith(SQLITE):
            path = Path(tune.storage.removeprefix(SQLITE).split("?")[0]).absolute()
            if not path.exists():  # all tables at once, as `mlflow_store.make_database` makes MLflow's
                with placing(path) as partial:
                    optuna.storages.RDBStorage(f"{SQLITE}{partial.as_posix()}").engine.dispose()
        study = optuna.create_study(
            storage=tune.storage,
            study_name=tune.study,
            direction="maximize",
            load_if_exists=True,
            pruner=NopPruner() if tune.pruner == "none" else median,
        )
        seed_sampler(study, config, finished=len(study.get_trials(deepcopy=False)))
        _check_same_question(study, config, space, data_hash)
    except (SQLAlchemyError, OptunaError, ImportError, OSError) as error:
        line = f"tune.storage={tune.storage}: Optuna cannot use it: {first_line(error)}; give {SQLITE}FILE"
        raise ConfigError(line) from error
    return study


def seed_sampler(study: optuna.Study, config: Config, *, finished: int) -> None:
    """Derive the next draw from the seed and the number of trials that count.

    A study that was killed and continues then draws what it would have drawn, and repeats no draw.
    """
    seed = config.trainer.seed + finished
    study.sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=config.tune.startup_trials)


def _check_same_question(study: optuna.Study, config: Config, space: Space, data_hash: str) -> None:
    settings = _without_searched({key: str(value) for key, value in flatten(config).items()}, space)
    if SETTINGS not in study.user_attrs:
        study.set_user_attr(SETTINGS, json.dumps(settings))
        study.set_user_attr(DATA_HASH, data_hash)
        return
    name = f"tune.study={study.study_name}"
    other = f"give another tune.study, such as {study.study_name}-2"
    for change in changes(_without_searched(json.loads(study.user_attrs[SETTINGS]), space), settings):
        raise ConfigError(f"{name}: its trials had other settings ({change}), their scores do not compare; {other}")
    if study.user_attrs[DATA_HASH] != data_hash:
        raise ConfigError(f"{name}: its trials had other data (hash {study.user_attrs[DATA_HASH]}); {other}")
    for trial in study.get_trials(deepcopy=False):
        for key in filter(trial.distributions.get, space):
            try:
                check_distribution_compatibility(trial.distributions[key], space[key])
            except ValueError:
                line = f"{name}: tune.space.{key} has another type, log or choices than its trials; {other}"
                raise ConfigError(line) from None


def _without_searched(settings: dict[str, str], space: Space) -> dict[str, str]:
    """Settings without the searched keys, and without the keys of a group whose option is searched."""
    groups = tuple(f"{key}." for key in space if key in CHOICES.values() or "." not in key)
    return {key: value for key, value in settings.items() if key not in space and not key.startswith(groups)}
