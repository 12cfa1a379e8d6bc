"""Contracts as a model file may carry them: JSON damaged, and values of any other type and size."""

import json
import math
from copy import deepcopy
from pathlib import Path
from random import Random
from typing import Any

from hostile.damage import damaged
from hostile.outcomes import REFUSED, Outcome, judge_call

GOOD: dict[str, Any] = {
    "frames": 4,
    "stride": 2,
    "short_side": 36,
    "size": 32,
    "mean": [127.5, 127.5, 127.5],
    "std": [63.75, 63.75, 63.75],
    "class_names": ["run", "walk", "wave"],
}
NONSENSE: tuple[Any, ...] = (
    None,
    True,
    "2",
    "",
    "text",
    -1,
    0,
    1.5,
    2.0,
    1e308,
    10**12,
    10**400,
    math.nan,
    math.inf,
    -math.inf,
    [],
    {},
    [None],
    [1, 2],
    ["a", "a", "a"],
    [[1], [2], [3]],
    [math.nan] * 3,
    [0.0] * 3,
    ["1", "2", "3"],
    [True, False, True],
    ["run", 5, "wave"],
    ["run", "", "wave"],
    ["\x1b[31m", "b", "c"],
    ["x" * 100_000, "b", "c"],
    {"a": 1},
    [str(number) for number in range(200_000)],
)
NUMBERS = {"frames": int, "stride": int, "short_side": int, "size": int, "channels": int, "bits": int}


def warm_up(material: Path) -> None:
    """Import what reads a contract."""
    good(material)


def good(material: Path) -> dict[str, Any]:
    from action_recognition.contract import ClipContract

    return ClipContract(**{key: tuple(v) if isinstance(v, list) else v for key, v in GOOD.items()}).to_dict()


def attempt(chance: Random, number: int, material: Path, work: Path) -> Outcome:
    from action_recognition.contract import ClipContract

    values = good(material)
    if number % 3 == 0:
        content, how = damaged(json.dumps(values).encode(), chance)
        text = content.decode("utf-8", chance.choice(("replace", "surrogateescape")))
    elif number % 3 == 1:
        text, how = strange_text(json.dumps(values), chance)
    else:
        changed, how = mutated(values, chance, keys=list(values))
        return judge_call(lambda: ClipContract.from_dict(changed, origin="model.ckpt"), how, right=is_contract)
    must = REFUSED if how.startswith("not JSON") else ""
    return judge_call(lambda: ClipContract.from_json(text, origin="model.onnx"), how, right=is_contract, must=must)


def strange_text(text: str, chance: Random) -> tuple[str, str]:
    """What a JSON parser may trip over."""
    key = chance.choice(("frames", "stride", "size", "short_side", "version"))
    value = json.loads(text)[key]
    choices = {
        "not JSON: nesting": "[" * 100_000,
        "not JSON: nested objects": '{"a":' * 100_000,
        "deep but closed": "[" * 100_000 + "]" * 100_000,
        "a number of 100,000 digits": text.replace(f'"{key}": {value}', f'"{key}": {"9" * 100_000}'),
        "a number with a large exponent": text.replace(f'"{key}": {value}', f'"{key}": 1e999'),
        "a key twice": text.replace("{", f'{{"{key}": -5, ', 1),
        "a byte-order mark": "\ufeff" + text,
        "not JSON: empty": " ",
        "a lone surrogate": text.replace("run", "\\ud800"),
        "a number": "5",
        "a string": '"contract"',
        "null": "null",
        "not JSON: NUL": "\0" + text,
        "a class name with a NUL": text.replace("run", "ru\\u0000n"),
    }
    how = chance.choice(sorted(choices))
    return choices[how], f"{how} ({key})"


def mutated(values: dict[str, Any], chance: Random, *, keys: list[str] | None = None) -> tuple[dict[str, Any], str]:
    """One or two keys with nonsense, gone, or more of them; below a dictionary too."""
    changed, done = deepcopy(values), []
    for _ in range(chance.choice((1, 1, 2))):
        place = changed
        names = keys or list(place)
        key = chance.choice(names)
        while isinstance(place.get(key), dict) and place[key] and chance.random() < 0.7:
            place = place[key]
            key = chance.choice(list(place))
        how = chance.choice(("set", "set", "set", "set", "gone", "more"))
        if how == "gone":
            place.pop(key, None)
            done.append(f"no {key}")
        elif how == "more":
            place[f"{key}_"] = place.get(key)
            done.append(f"{key}_ besides")
        else:
            nonsense = chance.choice(NONSENSE)
            place[key] = deepcopy(nonsense)
            done.append(f"{key}={str(nonsense)[:40] if not _is_huge(nonsense) else 'a huge number'}")
    return changed, ", ".join(done)


def _is_huge(value: Any) -> bool:
    return isinstance(value, int) and value > 10**100


def is_contract(contract: Any) -> str:
    """What is wrong with an accepted contract: each value is of its type, in a range that a clip can have."""
    for name, wanted in NUMBERS.items():
        value = getattr(contract, name)
        if type(value) is not wanted or not 1 <= value <= 1_000_000:
            return f"{name}={str(value)[:40]} is taken"
    if math.prod(contract.clip_shape) > 10**10:
        return f"a clip of {contract.clip_shape} is taken"
    for name in ("mean", "std"):
        values = getattr(contract, name)
        if len(values) != contract.channels or any(type(v) not in (int, float) for v in values):
            return f"{name}={str(values)[:60]} is taken"
        if not all(math.isfinite(value) for value in values):
            return f"{name}={str(values)[:60]} is taken"
    if any(value <= 0 for value in contract.std):
        return f"std={contract.std} is taken"
    if not (0 < contract.temperature <= 1000 and 0 <= contract.threshold <= 1):
        return f"temperature={contract.temperature}, threshold={contract.threshold} is taken"
    if not all(type(name) is str and name for name in contract.class_names):
        return f"class_names={str(contract.class_names)[:60]} is taken"
    if type(contract.data_hash) is not str:
        return f"data_hash={str(contract.data_hash)[:60]} is taken"
    return ""
