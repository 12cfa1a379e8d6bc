"""The search space of `tune`: configuration keys and what each may be, checked before anything is trained."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from action_recognition.config import CONF_DIR, Config, flatten, load_config
from action_recognition.datasets import check_dataset
from action_recognition.errors import ConfigError, UserError, check_choice, did_you_mean

KINDS = ("float", "int", "categorical")
SETTINGS = {"float": {"type", "low", "high", "log"}, "int": {"type", "low", "high", "log"}}
GROUPS = ("augment", "clip", "model", "optimizer", "trainer")
# Searching one of these would judge trials on different clips, or not by their settings alone.
FIXED = (
    "data.kind",
    "data.name",
    "data.videos_dir",
    "data.split",
    "data.source_pattern",
    "data.test_fraction",
    "data.val_fraction",
    "data.split_seed",
    "trainer.seed",
    "trainer.limit_val_batches",
    "trainer.run_dir",
    "trainer.resume",
)


@dataclass(frozen=True, kw_only=True)
class SearchKey:
    """One key and what Optuna draws its values from; choices are texts as they are typed behind `key=`."""

    key: str
    distribution: CategoricalDistribution | IntDistribution | FloatDistribution

    def extremes(self) -> tuple[str, ...]:
        """The values to try: where these are valid, all are."""
        if isinstance(self.distribution, CategoricalDistribution):
            return tuple(map(str, self.distribution.choices))
        return repr(self.distribution.low), repr(self.distribution.high)


def read_space(config: Config, overrides: Sequence[str]) -> list[SearchKey]:
    """`tune.space` as a list; each key is tried in the configuration that `overrides` make.

    Raises:
        ConfigError: for a key that does not exist, that changes what trials are judged on, or whose values the
            configuration refuses.
    """
    space = [_search_key(key, entry) for key, entry in _entries("", config.tune.space)]
    if not space:
        raise ConfigError("tune.space={}: nothing to search; give +tune.space.KEY={type:float,low:0,high:1}")
    flat = flatten(config)
    known = [key for key in flat if key.startswith(("data.", *(f"{group}." for group in GROUPS)))]
    for searched in space:
        _check_key(searched, known)
    _check_values(space, overrides)
    return space


def _entries(prefix: str, node: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Keys may be nested (`optimizer: lr:`) or dotted (`optimizer.lr:`)."""
    for name, inner in node.items():
        key = f"{prefix}.{name}" if prefix else str(name)
        if not isinstance(inner, Mapping):
            raise ConfigError(f"tune.space.{key}={inner}: expected {{type: {'|'.join(KINDS)}, ...}}")
        if "type" in inner and not isinstance(inner["type"], Mapping):
            yield key, inner
        else:
            yield from _entries(key, inner)


def _search_key(key: str, entry: Mapping[str, Any]) -> SearchKey:
    name = f"tune.space.{key}"
    kind = entry["type"]
    check_choice(f"{name}.type", kind, KINDS)
    allowed = SETTINGS.get(kind, {"type", "choices"})
    if unknown := sorted(set(entry) - allowed):
        raise ConfigError(f"{name}.{unknown[0]}: {kind} has no such setting; expected {', '.join(sorted(allowed))}")
    if kind == "categorical":
        choices = entry.get("choices")
        if not isinstance(choices, list) or not choices:
            raise ConfigError(f"{name}.choices={choices}: expected a list, [a,b]")
        return SearchKey(key=key, distribution=CategoricalDistribution(tuple(dict.fromkeys(map(_typed, choices)))))
    low: Any = entry.get("low")
    high: Any = entry.get("high")
    log = entry.get("log", False)
    wanted = "whole numbers" if kind == "int" else "numbers"
    if not (_is_number(low, kind) and _is_number(high, kind) and low < high):
        raise ConfigError(f"{name}: low={low}, high={high}: expected {wanted}, low below high")
    if not isinstance(log, bool) or (log and low <= 0):
        raise ConfigError(f"{name}: log={log}, low={low}: expected true or false, and low above 0 with log=true")
    distribution = IntDistribution if kind == "int" else FloatDistribution
    return SearchKey(key=key, distribution=distribution(low, high, log=log))


def _is_number(value: Any, kind: str) -> bool:
    return not isinstance(value, bool) and isinstance(value, int if kind == "int" else int | float)


def _typed(choice: Any) -> str:
    return choice if isinstance(choice, str) else json.dumps(choice, separators=(",", ":"))


def _check_key(searched: SearchKey, known: Sequence[str]) -> None:
    name = f"tune.space.{searched.key}"
    if searched.key in FIXED or searched.key in ("data", "experiment"):
        raise ConfigError(f"{name}: trials would no longer be judged alike; leave it out, with ~{name}")
    if searched.key in GROUPS:
        options = sorted(path.stem for path in (CONF_DIR / searched.key).glob("[!_]*.yaml"))
        if not isinstance(searched.distribution, CategoricalDistribution):
            raise ConfigError(f"{name}.type: expected categorical, with choices of {', '.join(options)}")
    elif searched.key not in known:
        raise ConfigError(
            f"{name}: no such key{did_you_mean(searched.key, known)}; leave it out with ~{name}, see conf/"
        )


def _check_values(space: Sequence[SearchKey], overrides: Sequence[str]) -> None:
    """All lowest values together, all highest, all third choices, ...: key by key only to find the one refused."""
    ends = [(searched.key, searched.extremes()) for searched in space]
    for place in range(max(len(values) for _, values in ends)):
        tried = [f"{key}={values[min(place, len(values) - 1)]}" for key, values in ends]
        if _refusal([*overrides, *tried]) is None:
            continue
        for key, values in ends:
            for value in values:
                if reason := _refusal([*overrides, f"{key}={value}"]):
                    raise ConfigError(f"tune.space.{key}: {key}={value} is not possible: {reason}")


def _refusal(overrides: Sequence[str]) -> str | None:
    try:
        check_dataset(load_config(overrides))
    except UserError as error:
        return str(error)
    return None
