"""`completion`: a script for the shell, which asks this program for the words that may come next."""

from collections.abc import Iterator, Sequence
from types import NoneType

from action_recognition.cli.command import Command, command
from action_recognition.cli.commands import COMMANDS, load_command
from action_recognition.errors import ConfigError, check_choice

BASH = r"""
_action_recognition() {
    local line="${COMP_LINE:0:COMP_POINT}" IFS=$'\n'
    local current="${line##*[[:space:]]}"
    local known="${current%"${current##*[=:]}"}"  # bash completes what is behind the last of these
    COMPREPLY=($("${COMP_WORDS[0]}" completion words "$line" 2>/dev/null))
    COMPREPLY=("${COMPREPLY[@]#"$known"}")
    if [[ ${#COMPREPLY[@]} == 1 && ${COMPREPLY[0]} == *[=.] ]]; then compopt -o nospace 2>/dev/null; fi
}
complete -o default -F _action_recognition action-recognition
"""
ZSH = r"""
#compdef action-recognition
_action_recognition() {
    local -a found open
    found=("${(@f)$("${words[1]}" completion words "${(j: :)words[1,CURRENT]}" 2>/dev/null)}")
    open=(${(M)found:#*[=.]})
    found=(${found:#*[=.]})
    (( $#open )) && compadd -Q -S '' -- $open
    (( $#found )) && compadd -Q -- $found
    (( $#open + $#found )) || _files
}
compdef _action_recognition action-recognition
"""
FISH = r"""
complete -c action-recognition -a '(action-recognition completion words (commandline -cp | string collect) 2>/dev/null)'
"""
SCRIPTS = {"bash": BASH, "zsh": ZSH, "fish": FISH}


@command(composes=False, usage="bash|zsh|fish")
def run(words: Sequence[str]) -> None:
    """Print a script that completes commands, groups, keys and values: completion bash|zsh|fish

    bash, in ~/.bashrc:  eval "$(action-recognition completion bash)"
    zsh, in ~/.zshrc:    eval "$(action-recognition completion zsh)"
    fish:                action-recognition completion fish > ~/.config/fish/completions/action-recognition.fish
    """
    match list(words):
        case ["words", line]:
            print("\n".join(candidates(line)))
        case [shell]:
            check_choice("completion", shell, SCRIPTS)
            print(SCRIPTS[shell].strip())
        case _:
            raise ConfigError(f"completion: expected one of {', '.join(SCRIPTS)}")


def candidates(line: str) -> list[str]:
    """The words that may stand where a command line ends; it begins with the program's name."""
    *typed, current = line.split(" ")
    words = [word for word in typed[1:] if word]
    return [word for word in _possible(words, current) if word.startswith(current)]


def _possible(words: Sequence[str], current: str) -> Iterator[str]:
    from action_recognition.config.option_files import groups

    name = words[0].replace("_", "-") if words else ""
    if not words:
        yield from COMMANDS
    elif name == "completion":
        yield from SCRIPTS if len(words) == 1 else ()
    elif name == "config" and len(words) == 1:
        yield from (*COMMANDS, *groups())
    else:
        if name == "config":
            name = words[1].replace("_", "-")
        if name in COMMANDS:
            yield from _overrides(load_command(COMMANDS[name]), words, current)


def _overrides(found: Command, words: Sequence[str], current: str) -> Iterator[str]:
    """`group=option` and `key=value` of the groups that a command reads, one level at a time."""
    from action_recognition.cli.key_help import keys_of_group
    from action_recognition.config.option_files import group_options, groups

    key, given, _ = current.partition("=")
    group, dot, _ = key.partition(".")
    if given:
        values = group_options(key) if key in found.groups else values_of(key)
        yield from (f"{key}={value}" for value in values)
    elif dot and group in found.groups:
        option = dict(word.split("=", 1) for word in words if "=" in word).get(group, groups()[group])
        if option and option not in group_options(group):
            option = groups()[group]
        yield from (f"{group}.{name}=" for name in keys_of_group(group, option))
    elif found.groups:
        yield "plots_dir="
        for name in found.groups:
            yield f"{name}="
            if name != "experiment":
                yield f"{name}."


def values_of(key: str) -> list[str]:
    """What a key may be where this is a short list: choices, true and false, null."""
    from action_recognition.config.keys import hint_of, parts_of
    from action_recognition.utils.rules import Choice

    found: list[str] = []
    for part in parts_of(hint_of(key)):
        if isinstance(part, Choice):
            found += map(str, part.options)
        found += {bool: ("true", "false"), NoneType: ("null",)}.get(part, ()) if isinstance(part, type) else ()
    return found
