"""Items made ahead in a thread: order, errors at their turn, bounds, and consumers that stop."""

import threading
import time
from collections.abc import Iterator

import pytest

from action_recognition.utils.ahead import made_ahead


def ahead_threads() -> int:
    return sum(thread.name == "ahead" for thread in threading.enumerate())


@pytest.mark.parametrize("most", [1, 3, 100])
@pytest.mark.parametrize("count", [0, 1, 7])
def test_the_same_items_in_the_same_order(count: int, most: int) -> None:
    assert list(made_ahead(iter(range(count)), most=most)) == list(range(count))
    assert ahead_threads() == 0


def test_an_error_comes_at_its_turn() -> None:
    items = made_ahead((1 // number for number in (1, -1, 0, 1)), most=10)
    assert [next(items), next(items)] == [1, -1]
    with pytest.raises(ZeroDivisionError):
        next(items)
    assert ahead_threads() == 0


def test_it_is_never_further_ahead_than_allowed() -> None:
    made: list[int] = []

    def numbers() -> Iterator[int]:
        for number in range(50):
            made.append(number)
            yield number

    for used in made_ahead(numbers(), most=4):
        # One more waits to be put in, and one is being made.
        assert len(made) <= used + 1 + 4 + 2


def test_a_consumer_that_stops_ends_the_thread_and_closes_the_items() -> None:
    closed = threading.Event()

    def endless() -> Iterator[int]:
        try:
            while True:
                yield 1
        finally:
            closed.set()

    items = made_ahead(endless(), most=2)
    assert next(items) == 1
    items.close()  # type: ignore[attr-defined]
    assert closed.wait(5)
    assert ahead_threads() == 0


def test_the_items_are_made_while_the_consumer_works() -> None:
    makers = set()

    def numbers() -> Iterator[int]:
        for number in range(3):
            makers.add(threading.get_ident())
            time.sleep(0.001)
            yield number

    assert list(made_ahead(numbers(), most=1)) == [0, 1, 2]
    assert makers.isdisjoint({threading.get_ident()})
