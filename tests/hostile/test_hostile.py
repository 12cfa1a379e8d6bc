"""Wrong input of every kind ends in a clean refusal or a right answer: no traceback, no signal, no 5xx, no memory bomb.

The inputs are described in `corpus`, which also says how to look at one of them again.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hostile.corpus import KINDS, SEED, Kind, sample
from hostile.outcomes import WRONG, Outcome
from hostile.pool import try_all

Report = Callable[[Kind, dict[int, Outcome]], None]


@pytest.fixture
def expect_none_wrong(hostile_material: Path, hostile_report: Report, tmp_path: Path) -> Callable[..., None]:
    def check(kind: Kind, numbers: Sequence[int]) -> None:
        outcomes = try_all(kind, numbers, material=hostile_material, folder=tmp_path)
        hostile_report(kind, outcomes)
        assert sorted(outcomes) == sorted(numbers)
        wrong = [
            f"{kind.name} {number}: {outcome.what}: {outcome.line}"
            for number, outcome in outcomes.items()
            if outcome.verdict == WRONG
        ]
        verdicts = dict(Counter(outcome.verdict for outcome in outcomes.values()))
        assert not wrong, "\n".join([f"seed {SEED}: {verdicts}", *wrong])

    return check


@pytest.mark.parametrize("name", KINDS)
def test_a_tenth_of_the_corpus(name: str, expect_none_wrong: Callable[..., None]) -> None:
    expect_none_wrong(KINDS[name], sample(KINDS[name]))


@pytest.mark.hostile
@pytest.mark.parametrize("name", KINDS)
def test_the_whole_corpus(name: str, expect_none_wrong: Callable[..., None]) -> None:
    expect_none_wrong(KINDS[name], range(KINDS[name].count))


def test_the_corpus_is_large_enough() -> None:
    assert sum(kind.count for kind in KINDS.values()) >= 1000
