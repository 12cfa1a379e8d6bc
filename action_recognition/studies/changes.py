"""How two runs' configurations differ, in the words of the command line."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from action_recognition.config import Effect, flatten, keys_marked, load_config

LONG_NUMBER = re.compile(r"\d*\.\d{4,}(?:e[+-]?\d+)?")
# The option chosen of a group is not logged as such; this key tells it.
CHOICES = {"data.name": "data", "model.network": "model", "optimizer.name": "optimizer"}
GROUPS = ("data", "clip", "augment", "model", "optimizer", "trainer")
# Another network has other arguments.
ARGUMENTS, NETWORK = "model.args.", "model.network"


@dataclass(frozen=True, kw_only=True)
class Change:
    """`key` is a configuration key, or a group for its option; a missing value is `(none)`.

    As text, numbers have as many digits as it takes to tell them apart, but at least four.
    """

    key: str
    before: str
    after: str

    def __str__(self) -> str:
        pairs = ((_rounded(self.before, digits), _rounded(self.after, digits)) for digits in range(4, 17))
        before, after = next((pair for pair in pairs if pair[0] != pair[1]), (self.before, self.after))
        return f"{self.key}{':' if self.key in GROUPS else ''} {before} -> {after}"


def _rounded(text: str, digits: int) -> str:
    return LONG_NUMBER.sub(lambda found: f"{float(found[0]):.{digits}g}", text)


def changes(baseline: Mapping[str, str], params: Mapping[str, str]) -> list[Change]:
    """Differences between two runs' logged parameters: group choices first, then by group and key.

    A key that only one of them has is compared with its default: the other was logged before the key existed. A
    network's own arguments are compared only where both runs have them or the network is the same. Keys without an
    effect on scores and runtimes are left out.
    """
    baseline, params = _with_current_names(baseline), _with_current_names(params)
    ignored = tuple(key.removesuffix(".") for key in keys_marked(Effect.NONE))
    keys = [key for key in {*baseline, *params} if key.split(".")[0] in GROUPS and not key.startswith(ignored)]
    other_network = baseline.get(NETWORK) != params.get(NETWORK)
    found = []
    for key in sorted(keys, key=lambda key: (key not in CHOICES, GROUPS.index(key.split(".")[0]), key)):
        is_argument = key.startswith(ARGUMENTS)
        default = None if is_argument else _defaults().get(key)
        before, after = baseline.get(key, default), params.get(key, default)
        if not (_same(before, after) or (is_argument and other_network and None in (before, after))):
            found.append(Change(key=CHOICES.get(key, key), before=_as_typed(before), after=_as_typed(after)))
    return found


def _with_current_names(params: Mapping[str, str]) -> dict[str, str]:
    """Earlier runs logged the groups `clip` and `augment` below `data`."""
    known = _defaults()

    def current(key: str) -> str:
        name = key.removeprefix("data.")
        return key if key in known else next((new for new in (name, f"clip.{name}") if new in known), key)

    return {current(key): value for key, value in params.items()}


@cache
def _defaults() -> dict[str, str]:
    return {key: str(value) for key, value in flatten(load_config()).items()}


def _same(before: str | None, after: str | None) -> bool:
    try:
        return before == after or float(before or "") == float(after or "")
    except ValueError:
        return False


def _as_typed(value: str | None) -> str:
    """A value as on the command line (null, true, 0.2), where MLflow keeps Python's texts."""
    return {None: "(none)", "None": "null", "True": "true", "False": "false"}.get(value) or str(value)
