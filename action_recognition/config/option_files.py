"""The files of `conf/` as people read them: groups, their options, and the comment beside each key."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

PACKAGE = Path(__file__).resolve().parents[1]
# Inside of an installed package; beside it in a checkout. The copy in an MLflow model has none.
CONF_DIR = next((path for path in (PACKAGE / "conf", PACKAGE.parent / "conf") if path.is_dir()), PACKAGE / "conf")


@dataclass(frozen=True)
class WrittenKey:
    """A key as a file of `conf/` gives it, without its group: `cache.codec`."""

    name: str
    value: str  # as it is written; empty for a mapping, whose keys follow
    comment: str
    file: str  # below `conf/`


@cache
def groups() -> dict[str, str]:
    """Each group of `conf/config.yaml` with the option that it has unless another is given; "" for none."""
    defaults = yaml.safe_load((CONF_DIR / "config.yaml").read_text(encoding="utf-8"))["defaults"]
    return {group: option or "" for entry in defaults if isinstance(entry, dict) for group, option in entry.items()}


@cache
def group_options(group: str) -> tuple[str, ...]:
    """What `group=` may be: the files of `conf/<group>/`; empty for what is no group."""
    if not group.isidentifier():
        return ()
    return tuple(sorted(path.stem for path in (CONF_DIR / group).glob("[!_]*.yaml")))


def summary(group: str, option: str) -> str:
    """The first line of an option's comment."""
    lines = (CONF_DIR / group / f"{option}.yaml").read_text(encoding="utf-8").splitlines()
    comments = (line.removeprefix("#").strip() for line in lines if line.startswith("#"))
    return next((line for line in comments if not line.startswith("@package")), "")


@cache
def written_keys(group: str, option: str) -> dict[str, WrittenKey]:
    """The keys that an option has, by name: those of the options that it builds on, then its own.

    A key that is given anew without a comment keeps the comment of the first.
    """
    found: dict[str, WrittenKey] = {}
    for path in _built_on(group, option):
        for key in keys_in(path):
            earlier = found.get(key.name)
            comment = key.comment or (earlier.comment if earlier else "")
            found[key.name] = WrittenKey(key.name, key.value, comment, key.file)
    return found


def _built_on(group: str, option: str) -> Iterator[str]:
    """The files of an option, as Hydra merges them."""
    path = f"{group}/{option}.yaml"
    content = yaml.safe_load((CONF_DIR / path).read_text(encoding="utf-8")) or {}
    for entry in content.get("defaults", ()):
        if isinstance(entry, str) and entry != "_self_":
            yield from _built_on(group, entry)
    yield path


@cache
def keys_in(path: str) -> tuple[WrittenKey, ...]:
    """The keys that one file below `conf/` holds, outer ones before those in them."""
    text = (CONF_DIR / path).read_text(encoding="utf-8")
    node = yaml.compose(text, Loader=yaml.SafeLoader)
    return tuple(_keys(node, "", path, text)) if isinstance(node, yaml.MappingNode) else ()


def _keys(mapping: yaml.MappingNode, prefix: str, path: str, text: str) -> Iterator[WrittenKey]:
    lines = text.splitlines()
    for key, value in mapping.value:
        if not prefix and key.value == "defaults":
            continue
        name = f"{prefix}{key.value}"
        in_block = isinstance(value, yaml.CollectionNode) and not value.flow_style
        end = key.end_mark if in_block else value.end_mark
        comment = _beside(lines[end.line][end.column :]) or _above(lines, key.start_mark.line)
        written = "" if in_block else text[value.start_mark.index : value.end_mark.index].strip()
        yield WrittenKey(name, written, comment, path)
        if isinstance(value, yaml.MappingNode):
            yield from _keys(value, f"{name}.", path, text)


def _beside(rest_of_line: str) -> str:
    return rest_of_line.partition("#")[2].strip()


def _above(lines: list[str], number: int) -> str:
    """The comment right above a line; what a file begins with is about all of it."""
    first = number
    while first > 0 and lines[first - 1].lstrip().startswith("#"):
        first -= 1
    return " ".join(line.strip().removeprefix("#").strip() for line in lines[first:number]) if first > 0 else ""
