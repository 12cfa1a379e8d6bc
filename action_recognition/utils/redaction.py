"""Passwords and tokens inside addresses: hidden wherever a configuration is stored or shown."""

import re
from typing import Any
from urllib.parse import unquote

HIDDEN = "***"
# `user:password@` or `token@` before the host, in any scheme; such a login may hold commas and quotes.
LOGIN = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*://)[^\s/?#]*@")
ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s'\"\\,\[\]{}|;]+")
PARAMETER = re.compile(r"([?&#])([^=&#]+)=([^&#]*)")
# Names of query parameters whose values give access: signed addresses of object stores, tokens, keys.
SECRET_NAME = re.compile(
    r"sig(nature)?$|token|secret|passw|pwd$|credential|api[-_]?key|access[-_]?key|auth|^key$|^x-(amz|goog)-|policy",
    re.IGNORECASE,
)


def redacted(text: str) -> str:
    """`text` with what gives access hidden in every address in it.

    A login before the host, with or without a password, and the values of query parameters whose names tell that they
    are secret become `***`. The rest stays: it says where something came from.

    >>> redacted("data.archive=https://user:pw@host/clips.zip?X-Amz-Signature=abc&part=2")
    'data.archive=https://***@host/clips.zip?X-Amz-Signature=***&part=2'
    """
    without_logins = LOGIN.sub(rf"\1{HIDDEN}@", text)
    return ADDRESS.sub(lambda match: PARAMETER.sub(_hide_value, match[0]), without_logins)


def _hide_value(match: re.Match[str]) -> str:
    start, name, _ = match.groups()
    return f"{start}{name}={HIDDEN}" if SECRET_NAME.search(unquote(name)) else match[0]


def redacted_values(value: Any) -> Any:
    """The same for every text in nested dicts, lists and tuples of plain values; a copy."""
    if isinstance(value, str):
        return redacted(value)
    if isinstance(value, dict):
        return {key: redacted_values(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(redacted_values(inner) for inner in value)
    return value


def is_hidden(value: Any) -> bool:
    """Whether a stored value holds an address whose access was hidden, so that it cannot be used."""
    if isinstance(value, dict):
        return any(map(is_hidden, value.values()))
    if isinstance(value, list | tuple):
        return any(map(is_hidden, value))
    marks = (f"://{HIDDEN}@", f"={HIDDEN}")
    return isinstance(value, str) and "://" in value and any(mark in value for mark in marks)
