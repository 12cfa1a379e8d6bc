"""Text from outside (file names, labels, messages of libraries), made safe for a terminal or a page."""

import re
from collections.abc import Iterable

# Control characters and terminal escapes, line separators, marks that reorder or hide text, and lone surrogates, in
# which Python keeps the bytes of a name that is not UTF-8. Joiners stay, because scripts and emoji need them.
_NOT_SHOWN = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f]"
)
# Unicode categories that settings and values in files never hold, because they break lines and encodings: control
# characters, halves of surrogate pairs, line and paragraph separators.
UNPRINTABLE = frozenset({"Cc", "Cs", "Zl", "Zp"})
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
_FIRST_BYTE, _LAST_BYTE = 0xDC80, 0xDCFF  # surrogates for the bytes 0x80 to 0xff


def printable(text: object) -> str:
    """`str(text)` on one line; characters that move the cursor or hide text become escapes such as `\\x1b`.

    >>> printable("a\\x1b[2J\\nb")
    'a\\\\x1b[2J\\\\nb'
    """
    return _NOT_SHOWN.sub(_escaped, str(text))


def _escaped(match: re.Match[str]) -> str:
    character = match[0]
    if character in _SHORT:
        return _SHORT[character]
    code = ord(character)
    if _FIRST_BYTE <= code <= _LAST_BYTE:
        code -= 0xDC00
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def first_names(names: Iterable[str], most: int = 5) -> str:
    """The first `most` names, and how many more there are.

    >>> first_names(["a", "b", "c"], most=2)
    'a, b and 1 more'
    """
    listed = list(names)
    more = f" and {len(listed) - most} more" if len(listed) > most else ""
    return ", ".join(listed[:most]) + more


def shortened(name: str, longest: int) -> str:
    """A long name without its middle, because names differ at their ends."""
    half = (longest - 1) // 2
    return name if len(name) <= longest else f"{name[:half]}…{name[-half:]}"
