"""Which judged clips are shown."""

import pytest

from action_recognition.evaluation.examples import Judged, choose_examples


def chosen(*words: str) -> list[str]:
    """`a>b` is a clip of class a that the model takes for b."""
    judged = [Judged(f"{number}.avi", *word.split(">")) for number, word in enumerate(words)]
    return [f"{row.label}>{row.predicted}" for row in choose_examples(judged)]


def test_right_ones_come_first_and_classes_are_spread():
    found = chosen("a>a", "a>a", "b>b", "b>a", "c>c", "c>a", "d>d", "a>b", "e>e")
    assert [word[0] == word[2] for word in found] == [True] * 4 + [False] * 2
    assert {word[0] for word in found} == set("abcde")


@pytest.mark.parametrize(
    ("words", "expected"),
    [(["a>a"] * 9, ["a>a"] * 6), (["a>b"] * 9, ["a>b"] * 6), (["a>a", "a>b"], ["a>a", "a>b"]), ([], [])],
)
def test_available_clips_fill_the_places(words: list[str], expected: list[str]):
    assert chosen(*words) == expected
