"""Names from outside, as they are shown."""

import pickle

import pytest

from action_recognition.errors import ConfigError, VideoError
from action_recognition.utils.text import printable


@pytest.mark.parametrize(
    "text", ["plain", "Größe, 日本語, \U0001f469\u200d\U0001f4bb", "a b\u00a0c", r"back\slash", "# & ( ) ! + '"]
)
def test_what_can_be_shown_is_left_alone(text):
    assert printable(text) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\x1b[2Jb", r"a\x1b[2Jb"),
        ("one\ntwo\r\tthree", r"one\ntwo\r\tthree"),
        ("\x9b31m\x7f", r"\x9b31m\x7f"),
        ("\u202efdp.avi", r"\u202efdp.avi"),
        ("\u2028\ufeff", r"\u2028\ufeff"),
        ("caf\udce9", r"caf\xe9"),
        ("\ud800", r"\ud800"),
        ("\U000e0041", r"\U000e0041"),
    ],
)
def test_what_would_move_or_hide_text_is_escaped(text, expected):
    assert printable(text) == expected
    assert printable(expected) == expected
    expected.encode()


def test_every_error_of_a_user_is_one_printable_line():
    error = VideoError("a\nb\x1b\udcff.avi: no such file")
    assert str(error) == r"a\nb\x1b\xff.avi: no such file"
    assert str(pickle.loads(pickle.dumps(error))) == str(error)
    assert str(ConfigError()) == ""


def test_an_error_of_a_loaders_worker_is_its_own_line():
    text = "Caught VideoError in DataLoader worker process 0.\nOriginal Traceback (most recent call last):\n  File x\n"
    assert str(VideoError(f"{text}action_recognition.errors.VideoError: a.avi: empty file\n")) == "a.avi: empty file"
