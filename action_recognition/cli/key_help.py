"""The keys that a command reads, as its `--help` lists them: default, comment in `conf/`, and what is allowed."""

from collections.abc import Iterator, Sequence
from typing import Any, get_origin

WIDEST = 44  # characters of `key=default` in a line


def key_lines(groups: Sequence[str]) -> Iterator[str]:
    """The groups with their default option and its keys."""
    from action_recognition.config import option_files

    for key in option_files.keys_in("config.yaml"):
        yield _line(key.name, key.value, key.comment, "  ")
    for group in groups:
        default = option_files.groups()[group]
        options = option_files.group_options(group)
        about = f"one of {', '.join(options)}" if len(options) > 1 else ""
        yield ""
        yield _line(group, default or "null", about, "  ", widest=0)
        for name in keys_of_group(group, default):
            option = _option_with(name, group, default)
            if option is None:  # no option gives it: the schema's own default holds
                yield _line(f"{group}.{name}", "", "", "    ")
                continue
            written = option_files.written_keys(group, option)[name]
            others = f" (of {group}={option})" if option != default else ""
            yield _line(f"{group}.{name}", written.value, written.comment + others, "    ")


def _option_with(name: str, group: str, default: str) -> str | None:
    """The default option if it gives a key, or else another one that does."""
    from action_recognition.config.option_files import group_options, written_keys

    options = [default, *group_options(group)]
    return next((option for option in options if name in written_keys(group, option)), None)


def keys_of_group(group: str, option: str) -> list[str]:
    """Names without the group: those that an option gives, then what else the schema has; no mapping."""
    from action_recognition.config import option_files
    from action_recognition.config.keys import declared_keys, section_of

    written = option_files.written_keys(group, option) if option else {}
    inner = {name.rpartition(".")[0] for name in written}
    declared = [
        key.removeprefix(f"{group}.")
        for key, hint in declared_keys().items()
        if key.startswith(f"{group}.") and not section_of(hint) and get_origin(hint) is not dict
    ]
    return list(dict.fromkeys([*(name for name in written if name not in inner), *declared]))


def _line(key: str, value: str, comment: str, indent: str, *, widest: int = WIDEST) -> str:
    given = f"{indent}{key}={' '.join(value.split())}"
    if widest and len(given) > widest:
        given = f"{given[: widest - 3]}..."
    return f"{given:<{widest}}  {'  '.join(filter(None, (comment.strip(), _allowed(key))))}".rstrip()


def _allowed(key: str) -> str:
    from action_recognition.config.checking import describe
    from action_recognition.config.keys import hint_of
    from action_recognition.utils.rules import Text

    hint = hint_of(key)
    return f"[{describe(hint).replace(Text().expected, 'text')}]" if "." in key and hint is not Any else ""
