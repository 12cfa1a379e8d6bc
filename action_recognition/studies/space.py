"""The search space of `tune`: configuration keys and what each may be, checked before anything is trained."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any

from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from action_recognition.config import Config, Effect, flatten, group_options, keys_marked, load_config
from action_recognition.config.checking import checked
from action_recognition.datasets import check_dataset
from action_recognition.errors import ConfigError, UserError, check_choice, did_you_mean
from action_recognition.utils.rules import Length

# Each type of range with its settings and what these may be.
SETTINGS: dict[str, dict[str, Any]] = {
    "float": {"low": float, "high": float, "log": bool},
    "int": {"low": int, "high": int, "log": bool},
    "categorical": {"choices": Annotated[list[Any], Length(1, 1000)]},
}
GROUPS = ("augment", "clip", "model", "optimizer", "trainer")
Distribution = CategoricalDistribution | FloatDistribution | IntDistribution
# By configuration key; choices are texts, as in an override.
Space = dict[str, Distribution]


def read_space(config: Config, overrides: Sequence[str]) -> Space:
    """`tune.space`; each key is tried in the configuration that `overrides` make.

    Raises:
        ConfigError: for a key that does not exist, that changes what trials are judged on, or whose values the
            configuration refuses.
    """
    space = {key: _distribution(f"tune.space.{key}", entry) for key, entry in _entries("", config.tune.space)}
    if not space:
        raise ConfigError("tune.space={}: nothing to search; give +tune.space.KEY={type:float,low:0,high:1}")
    known = [key for key in flatten(config) if key.startswith(("data.", *(f"{group}." for group in GROUPS)))]
    for key, distribution in space.items():
        name = f"tune.space.{key}"
        if key in (*keys_marked(Effect.ON_CLIPS), "data", "experiment"):
            raise ConfigError(f"{name}: trials would no longer be judged alike; leave it out, with ~{name}")
        if key in GROUPS and not isinstance(distribution, CategoricalDistribution):
            raise ConfigError(f"{name}.type: expected categorical, with choices of {', '.join(group_options(key))}")
        if key not in GROUPS and key not in known:
            raise ConfigError(f"{name}: no such key{did_you_mean(key, known)}; leave it out with ~{name}, see conf/")
    _check_values(space, overrides)
    return space


def _entries(prefix: str, node: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Keys may be nested (`optimizer: lr:`) or dotted (`optimizer.lr:`)."""
    for name, inner in node.items():
        key = f"{prefix}.{name}" if prefix else str(name)
        if not isinstance(inner, Mapping):
            raise ConfigError(f"tune.space.{key}={inner}: expected {{type: {'|'.join(SETTINGS)}, ...}}")
        if "type" in inner and not isinstance(inner["type"], Mapping):
            yield key, inner
        else:
            yield from _entries(key, inner)


def _distribution(name: str, entry: Mapping[str, Any]) -> Distribution:
    kind = entry["type"]
    check_choice(f"{name}.type", kind, SETTINGS)
    hints, given = SETTINGS[kind], {"log": False, **entry}
    if unknown := sorted(entry.keys() - hints.keys() - {"type"}):
        raise ConfigError(f"{name}.{unknown[0]}: {kind} has no such setting; expected {', '.join(sorted(hints))}")
    values = {setting: checked(hint, given.get(setting), f"{name}.{setting}") for setting, hint in hints.items()}
    if kind == "categorical":
        return CategoricalDistribution(tuple(dict.fromkeys(map(_typed, values["choices"]))))
    low, high, log = values.values()
    if low >= high or (log and low <= 0):
        expected = "low below high, and low above 0 with log=true"
        raise ConfigError(f"{name}: low={low}, high={high}, log={str(log).lower()}: expected {expected}")
    return IntDistribution(**values) if kind == "int" else FloatDistribution(**values)


def _typed(choice: Any) -> str:
    return choice if isinstance(choice, str) else json.dumps(choice, separators=(",", ":"))


def _check_values(space: Space, overrides: Sequence[str]) -> None:
    """Try all lowest values together, all highest, all third choices, ...; single keys only to find the one refused."""
    tried = {
        key: tuple(map(str, entry.choices))
        if isinstance(entry, CategoricalDistribution)
        else (repr(entry.low), repr(entry.high))  # where both ends are valid, all between them is
        for key, entry in space.items()
    }
    for place in range(max(map(len, tried.values()))):
        together = [f"{key}={values[min(place, len(values) - 1)]}" for key, values in tried.items()]
        if _refusal([*overrides, *together]) is None:
            continue
        for word in (f"{key}={value}" for key, values in tried.items() for value in values):
            if reason := _refusal([*overrides, word]):
                raise ConfigError(f"tune.space.{word.partition('=')[0]}: {word} is not possible: {reason}")


def _refusal(overrides: Sequence[str]) -> str | None:
    try:
        check_dataset(load_config(overrides))
    except UserError as error:
        return str(error)
    return None
