"""The harness finds out what it is there to find out: everything that an input may do wrong is planted once."""

import pytest
from hostile.corpus import PLANTED
from hostile.outcomes import REFUSED, WRONG, Outcome
from hostile.pool import try_all


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Outcome]:
    folder = tmp_path_factory.mktemp("planted")
    return try_all(PLANTED, range(PLANTED.count), material=folder, folder=folder)


@pytest.mark.parametrize(
    ("number", "line"),
    enumerate(
        (
            "a traceback: KeyError: 'planted'",
            "the process died of SIGSEGV",
            "grew by more than 300 MB",
            "passes silently",
            "another label than before",
            "took more than 3 s",
            "prints the control character",
        )
    ),
)
def test_what_is_planted_is_found(planted: dict[int, Outcome], number: int, line: str) -> None:
    assert planted[number].verdict == WRONG
    assert line in planted[number].line


def test_a_clean_refusal_passes_also_after_workers_that_died(planted: dict[int, Outcome]) -> None:
    assert planted[PLANTED.count - 1] == Outcome(
        verdict=REFUSED,
        what="no video",
        line="error: no video",
        seconds=planted[PLANTED.count - 1].seconds,
        megabytes=planted[PLANTED.count - 1].megabytes,
    )
