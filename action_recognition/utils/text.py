"""Text from outside (file names, labels, messages of libraries) as it may be shown on a terminal or in a page."""

import re
from collections.abc import Iterable

# Control characters and terminal escapes, line separators, marks that reorder or hide text, and lone surrogates, which
# is how Python holds the bytes of a name that is not UTF-8. Joiners, which scripts and emoji need, are left alone.
_NOT_SHOWN = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f]"
)
# Categories of Unicode that a setting or a value in a file never holds: control characters, halves of surrogate pairs,
# line and paragraph separators break lines and encodings.
UNPRINTABLE = frozenset({"Cc", "Cs", "Zl", "Zp"})
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
_FIRST_BYTE, _LAST_BYTE = 0xDC80, 0xDCFF  # surrogates that stand for the bytes 0x80 to 0xff


def printable(text: object) -> str:
    """`str(text)` in one line that a terminal only shows: what would move the cursor or hide text becomes `\\x1b`.

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
    """A long name without its middle: what tells names apart is at both ends."""
    half = (longest - 1) // 2
    return name if len(name) <= longest else f"{name[:half]}…{name[-half:]}"
