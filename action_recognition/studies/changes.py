"""How two runs' configurations differ, in the words that one types on the command line."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from action_recognition.config import flatten, load_config

LONG_NUMBER = re.compile(r"\d*\.\d{4,}(?:e[+-]?\d+)?")
# A group's choice is not logged as such; this key tells it.
CHOICES = {"data.name": "data", "model.network": "model", "optimizer.name": "optimizer"}
GROUPS = ("data", "clip", "augment", "model", "optimizer", "trainer")
# Places, downloads and names of runs: neither scores nor runtimes follow from them.
IGNORED = (
    "data.kind",
    "data.dir",
    "data.videos_dir",
    "data.splits_dir",
    "data.archive",
    "data.splits_archive",
    "data.labels_csv",
    "data.mirrors.",
    "data.hub",
    "data.keep_downloads",
    "data.full_set",
    "data.source_pattern",
    "data.cache.",
    "data.shards.",
    "model.default_lr",  # optimizer.lr says what was used
    "trainer.resume",
    "trainer.run_dir",
)
# Settings that belong to a choice: another network has other arguments.
OF_CHOICE = {"model.args.": "model.network"}


@dataclass(frozen=True, kw_only=True)
class Change:
    """`key` is a configuration key, or a group for its choice; a value that is not there is `(none)`.

    As text, numbers have as many digits as it takes to tell them apart, four at least.
    """

    key: str
    before: str
    after: str

    def __str__(self) -> str:
        colon = ":" if self.key in GROUPS else ""
        before, after = _shortened(self.before, self.after)
        return f"{self.key}{colon} {before} -> {after}"


def changes(baseline: Mapping[str, str], params: Mapping[str, str]) -> list[Change]:
    """Differences between two runs' logged parameters: group choices first, then by group and key.

    A key that only one of them has is compared with its default: the other was logged before there was such a key. A
    network's own arguments are compared only where both runs have them or the network is the same.
    """
    baseline, params = _with_current_names(baseline), _with_current_names(params)
    found = []
    for key in sorted({*baseline, *params}, key=_order):
        if key.split(".")[0] not in GROUPS or key.startswith(IGNORED):
            continue
        before, after = _value(key, baseline), _value(key, params)
        if _same(before, after) or (None in (before, after) and _choice_differs(key, baseline, params)):
            continue
        found.append(Change(key=CHOICES.get(key, key), before=_shown(before), after=_shown(after)))
    return found


def _with_current_names(params: Mapping[str, str]) -> dict[str, str]:
    """Earlier runs logged the groups `clip` and `augment` below `data`."""
    known = _defaults()

    def current(key: str) -> str:
        name = key.removeprefix("data.")
        return key if key in known else next((new for new in (name, f"clip.{name}") if new in known), key)

    return {current(key): value for key, value in params.items()}


def _order(key: str) -> tuple[bool, int, str]:
    group = key.split(".")[0]
    return key not in CHOICES, GROUPS.index(group) if group in GROUPS else len(GROUPS), key


def _value(key: str, params: Mapping[str, str]) -> str | None:
    return params.get(key, None if key.startswith(tuple(OF_CHOICE)) else _defaults().get(key))


@cache
def _defaults() -> dict[str, str]:
    return {key: str(value) for key, value in flatten(load_config()).items()}


def _choice_differs(key: str, baseline: Mapping[str, str], params: Mapping[str, str]) -> bool:
    return any(
        key.startswith(prefix) and baseline.get(choice) != params.get(choice) for prefix, choice in OF_CHOICE.items()
    )


def _same(before: str | None, after: str | None) -> bool:
    if before is None or after is None or before == after:
        return before == after
    try:
        return float(before) == float(after)
    except ValueError:
        return False


def _shown(value: str | None) -> str:
    """As it is typed: null, true, 0.2; MLflow keeps Python's texts."""
    if value is None:
        return "(none)"
    return {"None": "null", "True": "true", "False": "false"}.get(value, value)


def _shortened(before: str, after: str) -> tuple[str, str]:
    """Two values with their long numbers rounded, to the fewest digits at which they still differ."""
    for digits in range(4, 17):
        short = _rounded(before, digits), _rounded(after, digits)
        if short[0] != short[1]:
            return short
    return before, after


def _rounded(text: str, digits: int) -> str:
    return LONG_NUMBER.sub(lambda found: f"{float(found[0]):.{digits}g}", text)
