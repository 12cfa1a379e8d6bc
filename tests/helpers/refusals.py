"""Errors that a user can cause, as tests expect them."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from action_recognition.errors import ConfigError


@contextmanager
def refused(*words: str) -> Iterator[None]:
    """Expect a `ConfigError` whose text is one line with all of `words`."""
    with pytest.raises(ConfigError) as caught:
        yield
    line = str(caught.value)
    assert "\n" not in line
    assert [word for word in words if word not in line] == []
