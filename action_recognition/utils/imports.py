"""Things named by where they are, `module:name`, so that they are imported only when they are used."""

from importlib import import_module
from typing import Any


def load_object(place: str) -> Any:
    """What `module:name` names.

    Raises:
        ImportError, AttributeError: if there is no such module, or it has no such name.
    """
    module, _, name = place.partition(":")
    return getattr(import_module(module), name)
