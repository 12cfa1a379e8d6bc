"""Every key that an override may name, and which one was meant by a word that is none."""

from collections.abc import Iterator
from difflib import SequenceMatcher
from enum import Enum
from functools import cache
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from action_recognition.config.checking import Section, field_hints
from action_recognition.config.option_files import CONF_DIR, keys_in
from action_recognition.config.rules import TextByPart, Words
from action_recognition.config.schema import Config
from action_recognition.utils.rules import split_rules

# What other programs call it, where no key here sounds like it.
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


def is_key(key: str) -> bool:
    return key in known_keys()


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
def keys_marked(*marks: Enum) -> tuple[str, ...]:
    """The keys declared with one of `marks`, a whole section with a dot at its end: prefixes for `str.startswith`."""
    return tuple(_marked(Config, set(marks)))


def _marked(section: type[Section], marks: set[Enum]) -> Iterator[str]:
    for name, hint in field_hints(section).items():
        key = f"{section.KEY}.{name}" if section.KEY else name
        inner = next((part for part in _parts(hint) if isinstance(part, type) and issubclass(part, Section)), None)
        if marks & {part for part in _parts(hint) if isinstance(part, Enum)}:
            yield f"{key}." if inner else key
        elif inner:
            yield from [f"{key}."] if marks & set(inner.MARKS) else _marked(inner, marks)


def _parts(hint: Any) -> list[Any]:
    """A declared type, the types in a union, and what stands beside any of them."""
    inner = get_args(hint) if get_origin(hint) in (Annotated, Union, UnionType) else ()
    return [hint, *(part for member in inner for part in _parts(member))]


@cache
def is_open(key: str) -> bool:
    """Whether a key holds a mapping whose own keys are not declared, such as `model.args`."""
    hint: Any = Config
    for name in key.split(".") if key else ():
        hint = split_rules(hint)[0]
        if not isinstance(hint, type) or not issubclass(hint, Section):
            return True  # below an open one
        hint = field_hints(hint).get(name, Any)
    hint = split_rules(hint)[0]
    return hint is Any or get_origin(hint) is dict


def hint_of(key: str) -> Any:
    """The declared type of a key, with its rules; `Any` below a key that is open (see `is_open`) or no key at all."""
    hint: Any = Config
    for name in key.split("."):
        members = [split_rules(part)[0] for part in _parts(hint)]
        section = next((part for part in members if isinstance(part, type) and issubclass(part, Section)), None)
        hint = field_hints(section).get(name, Any) if section else Any
    return hint


def takes_text(key: str) -> bool:
    """Whether the schema wants text, or a list of texts, for a key: numbers in it are then names."""
    return _is_text(hint_of(key))


def _is_text(hint: Any) -> bool:
    plain, rules = split_rules(hint)
    if any(isinstance(rule, TextByPart | Words) for rule in rules):
        return True
    members = get_args(plain)
    return plain is str or (bool(members) and all(_is_text(member) or member is type(None) for member in members))
