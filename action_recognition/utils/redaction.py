"""Passwords and tokens in URLs are hidden wherever a configuration is stored or shown."""

import re
from typing import Any
from urllib.parse import unquote

HIDDEN = "***"
# `user:password@` or `token@` before the host, in any scheme; such a login may hold commas and quotes.
LOGIN = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*://)[^\s/?#]*@")
ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s'\"\\,\[\]{}|;]+")
PARAMETER = re.compile(r"([?&#])([^=&#]+)=([^&#]*)")
# Query parameters that give access: signatures of object stores, tokens, keys.
SECRET_NAME = re.compile(
    r"sig(nature)?$|token|secret|passw|pwd$|credential|api[-_]?key|access[-_]?key|auth|^key$|^x-(amz|goog)-|policy",
    re.IGNORECASE,
)


def redacted(text: str) -> str:
    """`text` with `***` for the logins and the secret query parameters of its URLs; the rest says where data is from.

    >>> redacted("data.archive=https://user:pw@host/clips.zip?X-Amz-Signature=abc&part=2")
    'data.archive=https://***@host/clips.zip?X-Amz-Signature=***&part=2'
    """
    without_logins = LOGIN.sub(rf"\1{HIDDEN}@", text)
    return ADDRESS.sub(lambda match: PARAMETER.sub(_hide_value, match[0]), without_logins)


def _hide_value(match: re.Match[str]) -> str:
    start, name, _ = match.groups()
    return f"{start}{name}={HIDDEN}" if SECRET_NAME.search(unquote(name)) else match[0]


def redacted_values(value: Any) -> Any:
    """A copy of nested dicts, lists and tuples with every text `redacted`."""
    if isinstance(value, str):
        return redacted(value)
    if isinstance(value, dict):
        return {key: redacted_values(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(redacted_values(inner) for inner in value)
    return value


def is_hidden(value: Any) -> bool:
    """Whether a stored value holds a URL that cannot be used because `redacted` hid part of it."""
    if isinstance(value, dict):
        return any(map(is_hidden, value.values()))
    if isinstance(value, list | tuple):
        return any(map(is_hidden, value))
    marks = (f"://{HIDDEN}@", f"={HIDDEN}")
    return isinstance(value, str) and "://" in value and any(mark in value for mark in marks)
