"""The keys of the configuration by name: what each may be, what overrides name, and which key a wrong word meant."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from difflib import SequenceMatcher
from enum import Enum
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from action_recognition.config.checking import Section, shown
from action_recognition.config.option_files import CONF_DIR, keys_in
from action_recognition.config.rules import TEXT_BY_PART, WORDS, Effect, Lifetime
from action_recognition.config.schema import Config
from action_recognition.errors import ConfigError
from action_recognition.utils.redaction import redacted_values
from action_recognition.utils.rules import split_rules

# What other programs call a key, where the names are not alike.
OTHER_NAMES = {
    "learning_rate": "optimizer.lr",
    "epoch": "trainer.max_epochs",
    "wd": "optimizer.weight_decay",
    "workers": "data.num_workers",
    "gpus": "trainer.devices",
    "clip_length": "clip.frames",
    "num_frames": "clip.frames",
    "resolution": "clip.size",
    "image_size": "clip.size",
    "dataset": "data",
    "arch": "model",
    "optim": "optimizer",
    "batch": "data.batch_size",
    "pretrained": "model.weights",
}


@cache
def known_keys() -> frozenset[str]:
    """Every key of every option in `conf/`, in dots; groups and inner mappings too."""
    known = {"plots_dir", "experiment"}
    for path in CONF_DIR.glob("*/*.yaml"):
        if (group := path.parent.name) != "experiment":
            known |= {group, *(f"{group}.{key.name}" for key in keys_in(f"{group}/{path.name}"))}
    return frozenset(known)


def suggest_keys(word: str) -> list[str]:
    """The keys, two at most, that `word` may have been meant for: by the last part of their name, then by all of it."""
    last = word.rpartition(".")[2].replace("-", "_").lower()
    if last in OTHER_NAMES:
        return [OTHER_NAMES[last]]
    keys = [key for key in sorted(known_keys()) if not key.startswith("tune.space")]
    same = [key for key in keys if key.rpartition(".")[2] == last]
    if "." in word:  # `model.dropout` means the one below `model`
        same = [key for key in same if key.partition(".")[0] == word.partition(".")[0]] or same
    if same:
        return sorted(same, key=lambda key: key.count("."))[:2]
    scored = [(_likeness(word, last, key), key) for key in keys]
    best = max(scored)
    return [best[1]] if best[0] > 0.65 else []


def _likeness(word: str, last: str, key: str) -> float:
    ends = SequenceMatcher(None, last, key.rpartition(".")[2]).ratio()
    return max(SequenceMatcher(None, word, key).ratio(), ends - 0.05 if "." not in word else 0)


@cache
def declared_keys() -> dict[str, Any]:
    """The type that the schema declares for each key, with its rules; also for groups and inner sections."""
    return dict(_declared("", Config))


def _declared(key: str, hint: Any) -> Iterator[tuple[str, Any]]:
    yield key, hint
    if section := section_of(hint):
        for name, inner in section.hints().items():
            yield from _declared(f"{key}.{name}".lstrip("."), inner)


def parts_of(hint: Any) -> list[Any]:
    """A declared type, the members of a union, and the rules and marks beside any of them."""
    inner = get_args(hint) if get_origin(hint) in (Annotated, Union, UnionType) else ()
    return [hint, *(part for member in inner for part in parts_of(member))]


def section_of(hint: Any) -> type[Section] | None:
    return next((part for part in parts_of(hint) if isinstance(part, type) and issubclass(part, Section)), None)


def hint_of(key: str) -> Any:
    """The declared type of a key, with its rules; `Any` below an open key (see `is_open`) and for an unknown key."""
    return declared_keys().get(key, Any)


@cache
def keys_marked(*marks: Enum) -> tuple[str, ...]:
    """The keys declared with one of `marks`, a whole section with a dot at its end: prefixes for `str.startswith`."""
    marked = []
    for key, hint in declared_keys().items():
        section = section_of(hint)
        if not {*parts_of(hint), *(section.MARKS if section else ())}.isdisjoint(marks):
            marked.append(f"{key}." if section else key)
    return tuple(marked)


def is_open(key: str) -> bool:
    """Whether a key holds a mapping whose own keys are not declared, such as `model.args`."""
    plain, _ = split_rules(hint_of(key))
    return plain is Any or get_origin(plain) is dict


def takes_text(key: str) -> bool:
    """Whether the schema wants text, or a list of texts, for a key: numbers in it are then names."""
    parts = parts_of(hint_of(key))
    elements = [element for part in parts if get_origin(part) is list for element in get_args(part)]
    kinds = {part for part in [*parts, *elements] if isinstance(part, type)}
    return TEXT_BY_PART in parts or WORDS in parts or kinds - {NoneType} == {str}


def key_of(override: str) -> str:
    """The key that an override names, without `+`, `~` and the package behind `@`."""
    return override.partition("=")[0].lstrip("+~").partition("@")[0]


def check_given_once(overrides: Sequence[str]) -> None:
    """Raise `ConfigError` if a key is given two different values: one of them would be dropped silently."""
    values: dict[str, str] = {}
    for override in overrides:
        key, value = key_of(override), override.partition("=")[2]
        if not override.startswith("@") and values.setdefault(key, value) != value:  # a file's keys may be overridden
            raise ConfigError(f"{key} is given twice, as {shown(values[key])} and {shown(value)}: expected one of them")


def each_key_once(earlier: Sequence[str], later: Sequence[str]) -> list[str]:
    """Both, without the `earlier` overrides whose key is among the `later` ones: as a command line takes them."""
    keys = {key_of(override) for override in later}
    return [override for override in earlier if override.startswith("@") or key_of(override) not in keys] + list(later)


def to_values(config: Config) -> dict[str, Any]:
    """The configuration as nested plain values."""
    values = asdict(config)
    return {key: values[key] for key in config.hints()}


def flatten(config: Config) -> dict[str, Any]:
    """The configuration as `{"clip.frames": 16, ...}`, for MLflow parameters; without passwords, as `to_yaml`."""
    return {key: redacted_values(value) for key, value in in_dots(to_values(config))}


def training_settings(config: Config) -> dict[str, Any]:
    """Of `flatten`, what is decided by the training and may change a score, but for the machine that it runs on."""
    ignored = keys_marked(Effect.NONE, Lifetime.COMMAND, Lifetime.MACHINE)
    groups = ("clip.", "augment.", "data.", "model.", "optimizer.", "trainer.")
    values = {key: value for key, value in flatten(config).items() if key.startswith(groups)}
    return {key: value for key, value in values.items() if not key.startswith(ignored)}


def in_dots(values: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """`{"a": {"b": 1}}` as `("a.b", 1)`."""
    if isinstance(values, dict):
        for name, value in values.items():
            yield from in_dots(value, f"{key}.{name}" if key else str(name))
    else:
        yield key, values
